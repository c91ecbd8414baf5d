import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { DurableStorage } from "../../src/replica/storage.ts";
import { describeStorage } from "../contract/storage.ts";

let disks = 0;

// The objects are replicas that belong to no group, so nothing but the test touches their storage.
describeStorage("a Durable Object's SQLite", () => {
  const id = env.REPLICA.idFromName(`contract-${disks++}/1`);
  return {
    run: (work) =>
      runInDurableObject(env.REPLICA.get(id), async (_, state) => {
        const storage = new DurableStorage(state.storage);
        const result = await work(storage);
        await storage.durable();
        return result;
      }),
    crash: async (work) => {
      const crash = runInDurableObject(env.REPLICA.get(id), async (_, state) => {
        const done = work(new DurableStorage(state.storage));
        if (done !== undefined) await done;
        state.abort("the contract asked for a crash");
      });
      await crash.catch((error: unknown) => {
        if (!String(error).includes("the contract asked for a crash")) throw error;
      });
    },
  };
});
