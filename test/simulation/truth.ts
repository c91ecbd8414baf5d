import type { Found, TransactionResult } from "../../src/kv/result.ts";
import type { Row } from "../../src/kv/table.ts";
import type {
  ListItem,
  ListRequest,
  ListResult,
  QueryRequest,
  ReadRequest,
  ReadResult,
} from "../../src/protocol/client.ts";
import { check } from "../invariants/check.ts";
import { isTrue } from "./attempt.ts";
import type { History, Span } from "./history.ts";
import { foundIn } from "./holdings.ts";
import { inOrder, isIn } from "./order.ts";
import { isSame } from "./same.ts";
import { describe, describeAnswer } from "./wording.ts";

type Listing = Pick<ListResult, "items" | "rest">;

/** Holds what a read was answered against what was there. */
export class Truth {
  readonly #history: History;

  constructor(history: History) {
    this.#history = history;
  }

  /**
   * The entries after which an answer was true: a stretch of them that ends no earlier than `floor`, if there
   * is one.
   */
  spanOf(request: ReadRequest, result: ReadResult, floor: number): Span {
    switch (request.type) {
      case "get":
        return result.type === "value"
          ? this.#ofValue(request, result)
          : this.#at(request, result, "absent", (index) => {
              return this.#history.row(request.key, index) === null;
            });
      case "list":
        return this.#at(request, result, "listed", (index) => {
          return this.#isListing(request, result as ListResult, index);
        });
      case "count":
        return this.#at(request, result, "counted", (index) => {
          const count = this.#history.keys(index, request.range).length;
          return isSame({ ...result, count, rest: null }, result);
        });
      case "query":
        return this.#at(request, result, "transaction", (index) => {
          const { revision } = result as TransactionResult;
          return isSame(this.#query(request, index, revision), result);
        });
      case "lease":
        return this.#ofLease(request, result, floor);
      default:
        throw new Error(`the model knows no ${request.type}`);
    }
  }

  /** For an answer that says at which revision it is true, of something that has a new one with each change. */
  #at(
    request: ReadRequest,
    result: ReadResult,
    type: ReadResult["type"],
    isTrueAt: (index: number) => boolean,
  ): Span {
    check(result.type === type, "true reads", () => `${describe(request)}: ${result.type}`);
    const { revision } = result as ReadResult & { revision: number };
    const span = this.#history.ofRevision(revision);
    check(span.from <= span.to && isTrueAt(span.to), "true reads", () => {
      return `${describe(request)} was answered ${describeAnswer(result)}, which was not so then: ${JSON.stringify(result)}`;
    });
    return span;
  }

  #ofValue(request: ReadRequest & { type: "get" }, found: ReadResult & { type: "value" }): Span {
    const span = this.#history.ofValue(request.key, found.modRevision);
    const row = this.#history.row(request.key, span.from);
    const wanted = row && told(row, !request.metadataOnly);
    check(wanted !== null && isSame({ type: "value", ...wanted }, found), "true reads", () => {
      return `${describe(request)} was answered ${describeAnswer(found)}, which was never written: ${JSON.stringify(found)}`;
    });
    return span;
  }

  /** A lease may end later than it was to, or be there, without a new revision. */
  #ofLease(request: ReadRequest & { type: "lease" }, result: ReadResult, floor: number): Span {
    const { lease } = request;
    const { revision } = result as ReadResult & { revision: number };
    const span = this.#history.ofRevision(revision);
    let last: number | null = null;
    for (let index = span.from; index <= span.to; index++) {
      if (!isSame(this.#leaseAt(lease, index, revision), result)) continue;
      last = index;
      if (index >= floor) break;
    }
    check(last !== null, "true reads", () => {
      return `${describe(request)} was answered ${JSON.stringify(result)}, which was never so`;
    });
    return { from: last!, to: last! };
  }

  #leaseAt(lease: string, index: number, revision: number): ReadResult {
    const history = this.#history;
    const terms = history.lease(lease, index);
    if (terms === null) return { type: "noLease", revision };
    const keys = history.keys(index).filter((key) => history.row(key, index)!.lease === lease);
    return { type: "leaseFound", lease, ...terms, keys, revision };
  }

  /**
   * Whether a page of a list is the first of its range, and what it leaves for others is neither more nor less
   * than what it does not tell.
   */
  #isListing(request: ListRequest, { items, rest }: Listing, index: number): boolean {
    const all = this.#itemsOf(request, index);
    if (!isSame(items, all.slice(0, request.limit))) return false;
    if ((rest === null) !== all.length <= request.limit) return false;
    // Keys that were there at another time, and those next to them, stand for all that may come.
    return this.#history
      .keysEver(request.range)
      .flatMap((key) => [key, `${key}\0`, `${key}\u{10ffff}`])
      .filter((key) => isIn(key, request.range))
      .every((key) => (rest !== null && isIn(key, rest)) === !isTold(key, request, items, rest));
  }

  /** All of a range, on one page. */
  #itemsOf({ range, order, fold, values }: ListRequest, index: number): ListItem[] {
    const keys = this.#history.keys(index, range);
    const items: ListItem[] = [];
    for (const key of order === "ascending" ? keys : keys.toReversed()) {
      const at = fold === null ? -1 : key.indexOf(fold.delimiter, fold.length);
      if (at === -1) {
        const row = this.#history.row(key, index)!;
        items.push({ type: "key", key, found: told(row, values) });
        continue;
      }
      const prefix = key.slice(0, at + fold!.delimiter.length);
      const last = items.at(-1);
      if (last?.type !== "prefix" || last.prefix !== prefix) items.push({ type: "prefix", prefix });
    }
    return items;
  }

  #query(request: QueryRequest, index: number, revision: number): TransactionResult {
    const rowOf = (key: string): Row | undefined => this.#history.row(key, index) ?? undefined;
    const failed = request.if.flatMap(({ key, condition }, place) =>
      isTrue(condition, rowOf(key)) ? [] : [place],
    );
    const succeeded = failed.length === 0;
    const results = (succeeded ? request.then : request.else).map((operation) => {
      const row = "key" in operation ? rowOf(operation.key) : undefined;
      return { type: "get" as const, found: row === undefined ? null : foundIn(row) };
    });
    return { type: "transaction", succeeded, failed, results, revision };
  }
}

const told = (row: Row, isValueWanted: boolean): Found => {
  const found = foundIn(row);
  return isValueWanted ? found : { ...found, value: null };
};

/** Whether a page has told of a key, or that there is none. */
function isTold(
  key: string,
  { order }: ListRequest,
  items: readonly ListItem[],
  rest: ListResult["rest"],
): boolean {
  if (rest === null) return true;
  const last = items.at(-1);
  if (last === undefined) return false;
  const name = last.type === "key" ? last.key : last.prefix;
  if (last.type === "prefix" && key.startsWith(name)) return true;
  const [first] = inOrder([key, name]);
  if (key === name) return true;
  return order === "ascending" ? first === key : first === name;
}
