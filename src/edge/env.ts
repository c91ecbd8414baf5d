import { type Settings, type SettingsVars, parseSettings } from "../protocol/settings.ts";
import { Problem } from "./problem.ts";

/** What the edge Worker is bound to: the replicas' objects, and the variables of wrangler.toml. */
export interface EdgeBindings extends SettingsVars {
  readonly REPLICA: DurableObjectNamespace;
}

/** The environment of the Hono app. */
export interface EdgeEnv {
  Bindings: EdgeBindings;
}

/** An isolate sees one environment for its whole life, so it is parsed once. */
const parsed = new WeakMap<EdgeBindings, Settings>();

/** The settings in force. Throws a Problem that names what is wrong with them. */
export function settingsOf(env: EdgeBindings): Settings {
  const known = parsed.get(env);
  if (known !== undefined) return known;
  const settings = parse(env);
  parsed.set(env, settings);
  return settings;
}

function parse(env: EdgeBindings): Settings {
  try {
    const settings = parseSettings(env);
    if (settings.elsewhere === null && !("REPLICA" in env)) {
      throw new Error("there is no Durable Object binding REPLICA");
    }
    return settings;
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new Problem("misconfigured", `${what}; correct it in wrangler.toml and deploy again`);
  }
}
