import type { Replica, ReplicaEnv } from "../../src/replica/replica.ts";

/** Types `env` and `exports` of cloudflare:workers as the tests see them. */
declare global {
  namespace Cloudflare {
    interface Env extends Omit<ReplicaEnv, "REPLICA"> {
      readonly REPLICA: DurableObjectNamespace<Replica>;
    }
    interface GlobalProps {
      mainModule: typeof import("../../src/worker.ts");
      durableNamespaces: "Replica";
    }
  }
}
