import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        // The core, the protocol and the code's own rules, in plain Node. These compute more than
        // they wait, and no timing hangs on them, so they may fill the machine.
        test: {
          name: "node",
          include: ["test/**/*.test.ts"],
          exclude: ["test/replica/**", "test/cluster/**"],
          maxWorkers: "100%",
          // A bound for what hangs; a busy machine must not fail a test.
          testTimeout: 60_000,
        },
      },
      {
        // The replica in the real runtime. Each file gets a workerd of its own, with its storage in a
        // temporary folder on disk: workerd ends when an alarm fires over in-memory storage.
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            // Nothing here may go looking for an account or a network.
            remoteBindings: false,
            // On one machine a round trip takes no time, so neither need an election.
            miniflare: {
              bindings: { HEARTBEAT_MS: "50", ELECTION_MIN_MS: "150", ELECTION_MAX_MS: "300" },
            },
          }),
        ],
        test: {
          name: "workerd",
          include: ["test/replica/**/*.test.ts"],
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        // Whole clusters that are hurt. They wait more than they compute; but few at a time and after all
        // else, since to a replica a busy machine looks just like a slow network.
        test: {
          name: "cluster",
          include: ["test/cluster/**/*.test.ts"],
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
