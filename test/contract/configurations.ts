import { expect, test } from "vitest";
import { initialState } from "../../src/kv/state-machine.ts";
import { describeConfiguration } from "../../src/raft/describe.ts";
import type { Persist } from "../../src/raft/io.ts";
import { type Entry, asIndex, asTerm } from "../../src/raft/types.ts";
import type { Storage } from "../../src/replica/ports.ts";
import { foundedBy } from "../support/members.ts";
import { nothing } from "../support/persist.ts";
import type { ContractDisk } from "./storage.ts";

/** What every implementation of the Storage port must do about who belongs to the group. */
export function describeConfigurations(newDisk: () => ContractDisk): void {
  test("[M1] come with the entries that name them, whatever else is in a batch", async () => {
    const disk = newDisk();
    await disk.run((storage) => storage.persist(written(["1 2", null, "1 2 3"])));
    await disk.run((storage) => {
      expect(configurations(storage)).toEqual(["1: 1 2", "3: 1 2 3"]);
      expect(storage.log.slice(asIndex(1), asIndex(3), 99)).toEqual(
        entriesOf(["1 2", null, "1 2 3"]),
      );
    });
  });

  test("[M1] go with the entries that are cut", async () => {
    const disk = newDisk();
    await disk.run((storage) => {
      storage.persist(written(["1 2", null, "1 2 3", "1 3"]));
      storage.persist({ ...written(["2 4"], 3), truncateFrom: asIndex(3) });
    });
    await disk.run((storage) => expect(configurations(storage)).toEqual(["1: 1 2", "3: 2 4"]));
  });

  test.each([
    [1, ["1: 1 2", "3: 1 2 3"]],
    [2, ["1: 1 2", "3: 1 2 3"]],
    [3, ["3: 1 2 3"]],
    [4, ["3: 1 2 3"]],
  ])("[M12] of a log that is cut up to %i, that which holds there stays", async (index, left) => {
    const disk = newDisk();
    await disk.run((storage) => {
      storage.persist(written(["1 2", null, "1 2 3", null]));
      storage.persist({ ...nothing, compactTo: { term: asTerm(1), index: asIndex(index) } });
      expect(configurations(storage)).toEqual(left);
    });
    await disk.run((storage) => expect(configurations(storage)).toEqual(left));
  });

  test("[M12] give way to that of a snapshot", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const chunk = await from.run((storage) => {
      const state = { ...initialState, appliedIndex: 9 };
      return { place: 0, data: storage.openExport(state).read(0).data };
    });
    await to.run((storage) => {
      storage.persist(written(["1 2", "1 2 3"]));
      const install = { term: asTerm(1), index: asIndex(9), configuration: foundedBy(["7", "8"]) };
      storage.persist({ ...nothing, chunk, install });
      expect(configurations(storage)).toEqual(["9: 7 8"]);
    });
    await to.run((storage) => expect(configurations(storage)).toEqual(["9: 7 8"]));
  });
}

/** Entries from `first` on: configurations where voters are named, others where not. */
function entriesOf(voters: readonly (string | null)[], first = 1): Entry[] {
  return voters.map((ids, i) => {
    const id = { term: asTerm(1), index: asIndex(first + i) };
    const data = new Uint8Array(0);
    if (ids === null) return { ...id, type: "noop", data };
    return { ...id, type: "configuration", data, configuration: foundedBy(ids.split(" ")) };
  });
}

const written = (voters: readonly (string | null)[], first = 1): Persist => ({
  ...nothing,
  entries: entriesOf(voters, first),
});

const configurations = ({ log }: Storage): string[] =>
  log.configurations.map(
    ({ index, configuration }) => `${index}: ${describeConfiguration(configuration)}`,
  );
