import { MemoryDisk } from "../support/memory-storage.ts";
import { describeStorage } from "./storage.ts";

describeStorage("memory", () => {
  const disk = new MemoryDisk();
  return {
    run: async (work) => {
      const storage = disk.open();
      const result = await work(storage);
      await storage.durable();
      return result;
    },
    crash: async (work) => {
      const storage = disk.open();
      const done = work(storage);
      if (done !== undefined) await done;
      storage.crash();
    },
  };
});
