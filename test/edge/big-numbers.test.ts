import { expect, test } from "vitest";
import { StoreUnderTest, lineOf, onRealStores } from "./store-under-test.ts";

onRealStores();

/** More than JavaScript can tell apart: no replica takes such a number. */
const big = ["9007199254740992", "9999999999999999"];

/** Requests with a number in them, and the answer when it is too big. */
const requests: readonly [request: string, line: string][] = [
  ["GET /keys/a?revision=N", "400 bad_parameter"],
  ["GET /keys?revision=N", "400 bad_parameter"],
  ["GET /keys?count&revision=N", "400 bad_parameter"],
  ["POST /get?revision=N", "400 bad_parameter"],
  ["GET /watch?wait=1s&from=N", "400 bad_parameter"],
  ["DELETE /locks/a?token=N", "400 bad_parameter"],
];

test.each(requests)("%s is refused when the number is too big: %s", async (request, line) => {
  const store = new StoreUnderTest();
  await store.put("a");
  for (const number of big) {
    const [method, path] = request.replace("N", number).split(" ") as [string, string];
    const body = method === "POST" ? { body: '{"keys":["a"]}' } : {};
    expect(await lineOf(await store.send(method, path, body))).toBe(line);
  }
});

test("a cursor that goes on at such a revision is refused", async () => {
  const store = new StoreUnderTest();
  for (const number of [...big, "-1", "1.5"]) {
    const cursor = btoa(`[1,"",null,${number}]`).replaceAll("=", "");
    const response = await store.send("GET", `/keys?cursor=${cursor}`);
    expect(await lineOf(response)).toBe("400 bad_cursor");
  }
});

test("a session that claims to have seen too much is refused", async () => {
  const store = new StoreUnderTest();
  for (const number of big) {
    const headers = {
      "KV-Consistency": "session",
      "KV-Bookmark": `1.1.${number}.${store.store.namespace}`,
    };
    expect(await lineOf(await store.get("a", headers))).toBe("400 bad_bookmark");
  }
});
