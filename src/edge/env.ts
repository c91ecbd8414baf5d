import type { SettingsVars } from "../protocol/settings.ts";

/** What the edge Worker is bound to: the replicas' objects, and the variables of wrangler.toml. */
export interface EdgeBindings extends SettingsVars {
  readonly REPLICA: DurableObjectNamespace;
}

/** The environment of the Hono app. */
export interface EdgeEnv {
  Bindings: EdgeBindings;
}
