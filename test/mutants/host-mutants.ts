import type { Mutant } from "./mutant.ts";

/** Mistakes around the core: in the driver, the state machine and the edge. */
export const hostMutants: readonly Mutant[] = [
  {
    name: "compaction-without-the-state",
    what: "entries go although the state that they led to is not stored",
    file: "src/replica/driver.ts",
    find: "if (compactTo !== null && storage.machineState.appliedIndex < compactTo.index) {",
    replace: "if (compactTo === null && install !== null) {",
  },
  {
    name: "old-state-under-a-snapshot",
    what: "a replica goes on from the state that it had before a snapshot",
    file: "src/replica/driver.ts",
    find: "if (isReplaced) {",
    replace: "if (repair !== null) {",
  },
  {
    name: "old-requests-under-a-snapshot",
    what: "a replica goes on from the request records that it had before a snapshot",
    file: "src/kv/state-machine.ts",
    find: "    this.#window.reload();",
    replace: "",
  },
  {
    name: "snapshot-without-requests",
    what: "a snapshot leaves out which requests have been carried out",
    file: "src/replica/chunked-export.ts",
    find: "uploads, ...part };",
    replace: "uploads, ...part, turns: [] };",
  },
  {
    name: "snapshot-cut-short",
    what: "a snapshot ends with its first chunk of rows",
    file: "src/replica/chunked-export.ts",
    find: "isLast: then === null };",
    replace: "isLast: part.rows !== undefined };",
  },
  {
    name: "durable-before-it-is",
    what: "the driver reports as durable what was written while it waited",
    file: "src/replica/driver.ts",
    find: `      reported = batch;
      this.#step({ type: "persisted", batch });`,
    replace: `      void batch;
      reported = this.#writtenBatch;
      this.#step({ type: "persisted", batch: reported });`,
  },
  {
    name: "applied-apart-from-state",
    what: "what an entry did and that it was applied are stored in two turns",
    file: "src/replica/driver.ts",
    find: "this.#ports.storage.saveMachine(this.#machine.state, records, changes);",
    replace: `{
      const { state } = this.#machine;
      queueMicrotask(() => this.#ports.storage.saveMachine(state, records, changes));
    }`,
  },
  {
    name: "requests-forgotten-at-restart",
    what: "a replica that restarts forgets which requests it has carried out",
    file: "src/kv/request-window.ts",
    find: "for (const record of this.#load()) this.#insert(this.#records, record);",
    replace: "",
  },
  {
    name: "alarm-not-set-again",
    what: "an alarm that has rung counts as set",
    file: "src/replica/wake.ts",
    find: `    this.#armedMs = null;
    this.#maybeSet = false;
    if (atMs === null) return;`,
    replace: "    if (atMs !== undefined) return;",
  },
  {
    name: "results-out-of-place",
    what: "the results of a batch are given in another order than its requests",
    file: "src/replica/client-api.ts",
    find: "group.forEach(({ place }, i) => (results[place] = all[i]!));",
    replace: "group.forEach((_, i) => results.push(all[i]!));\n    results.splice(0, all.length);",
  },
  {
    name: "retry-under-another-id",
    what: "the edge repeats a request as if it were another",
    file: "src/edge/forward.ts",
    find: "return { ...this.#draft, requestId: this.#requestId, floor: this.#floor };",
    replace: "return { ...this.#draft, requestId: crypto.randomUUID(), floor: this.#floor };",
  },
  {
    name: "lost-attempt-forgotten",
    what: "the edge says that nothing happened after an attempt of which it heard nothing",
    file: "src/edge/forward.ts",
    find: `if (type === "lost" || type === "unknown") this.#isAmbiguous ||= isWrite(this.#draft);`,
    replace: "void type;",
  },
  {
    name: "disk-failure-unnoticed",
    what: "an instance that can make nothing durable goes on",
    file: "src/replica/driver.ts",
    find: `      } catch (error) {
        this.#abort(error);
        return;
      }
      reported`,
    replace: `      } catch {
        this.#syncing = false;
        return;
      }
      reported`,
  },
  {
    name: "lost-alarm-awaited",
    what: "an alarm that is long overdue counts as set",
    file: "src/replica/wake.ts",
    find: "this.#armedMs + lostAfterMs < nowMs;",
    replace: "this.#armedMs + lostAfterMs * 1e9 < nowMs;",
  },
  {
    name: "alarm-never-earlier",
    what: "an alarm is set only when there is none",
    file: "src/replica/wake.ts",
    find: "if (this.#armedMs !== null && this.#armedMs <= atMs && !isLost) return;",
    replace: "if (this.#armedMs !== null && !isLost) return;",
  },
  {
    name: "alarm-at-each-step",
    what: "an alarm is set whether there is one or not",
    file: "src/replica/wake.ts",
    find: "if (this.#armedMs !== null && this.#armedMs <= atMs && !isLost) return;",
    replace: "void isLost;",
  },
  {
    name: "head-with-the-value",
    what: "a read of the metadata brings the value along",
    file: "src/replica/look-up.ts",
    find: "const maxBytes = request.metadataOnly ? -1 : Number.POSITIVE_INFINITY;",
    replace: "const maxBytes = Number.POSITIVE_INFINITY;",
  },
  {
    name: "version-not-counted",
    what: "a key's version stays 1",
    file: "src/kv/staging.ts",
    find: "version: isAgain ? version : version + 1 }",
    replace: "version: 1 }",
  },
  {
    name: "old-content-type-stays",
    what: "a put without a content type keeps the old one",
    file: "src/kv/staging.ts",
    find: "contentType, metadata, ...expiry",
    replace: "contentType: contentType ?? row?.contentType ?? null, metadata, ...expiry",
  },
  {
    name: "too-late-is-not-noticed",
    what: "a request whose outcome may be forgotten is carried out",
    file: "src/kv/state-machine.ts",
    find: "if (isOfAnotherEpoch || this.#window.isExpired(command.floor, sequence)) {",
    replace: "if (isOfAnotherEpoch) {",
  },
  {
    name: "outcomes-forgotten-early",
    what: "outcomes leave the window before their time",
    file: "src/kv/request-window.ts",
    find: "const isWide = sequence <= record.sequence - this.#size;",
    replace: "const isWide = sequence <= record.sequence - this.#size / 2;",
  },
  {
    name: "floor-of-the-last-attempt",
    what: "the edge takes what it has seen since for the floor of a retry",
    file: "src/edge/forward.ts",
    find: "requestId: this.#requestId, floor: this.#floor };",
    replace:
      "requestId: this.#requestId, floor: cache.get(this.#group.namespace)?.sequence ?? 0 };",
  },
  {
    name: "redirect-to-itself",
    what: "the edge sends a client on to the replica that does not lead",
    file: "src/edge/forward.ts",
    find: `: { type: "redirected", leader: result.leader, servedBy };`,
    replace: `: { type: "redirected", leader: id, servedBy };`,
  },
  {
    name: "attempt-outlives-the-deadline",
    what: "an attempt may take longer than the request",
    file: "src/edge/forward.ts",
    find: "const signal = AbortSignal.any([this.#deadline, AbortSignal.timeout(timeoutMs)]);",
    replace: "const signal = AbortSignal.timeout(timeoutMs + 1000);",
  },
];
