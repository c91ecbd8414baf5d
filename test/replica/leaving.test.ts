import { expect, test } from "vitest";
import { type ChangeResult, clientProtocolVersion } from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { GroupUnderTest } from "./group-under-test.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";

test("A replica that has left keeps nothing but its votes, and whom to ask", async () => {
  const group = new GroupUnderTest();
  await group.put("a", "x");
  const leader = await group.settled();
  const gone = group.ids.find((id) => id !== leader.id)!;
  const rows = (): Promise<number[]> =>
    group.inside(gone, (_, { storage }) =>
      ["log", "kv", "kv_before", "machine", "raft"].map((table) =>
        Number(storage.sql.exec(`SELECT count(*) AS n FROM ${table}`).one()["n"]),
      ),
    );
  expect((await rows()).slice(0, 2).every((count) => count > 0)).toBe(true);
  const body = toBytes({ version: clientProtocolVersion, change: { type: "remove", id: gone } });
  const response = await group.fetch(leader.id, "POST", replicaPath.members, body);
  expect(fromBytes<ChangeResult>(await response.arrayBuffer())).toEqual({
    type: "begun",
    id: gone,
  });
  await expect.poll(rows, { timeout: 5000 }).toEqual([0, 0, 0, 0, 1]);
  const status = await group.fetch(gone, "GET", "/status");
  const others = group.ids.filter((id) => id !== gone);
  expect(fromBytes(await status.arrayBuffer())).toMatchObject({
    type: "left",
    members: others.map((id) => ({ id })),
  });
});
