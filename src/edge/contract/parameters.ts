import * as z from "zod/mini";

/** What a query parameter may be, wherever there is one of that name. */
export interface Parameter {
  readonly schema: z.ZodMiniType<string, string>;
  /** What it means, and what it must be. */
  readonly description: string;
}

const duration = z.string().check(z.regex(/^\d{1,12}(?:\.\d{1,6})?(?:ms|s|m|h|d)?$/));
const revision = z.string().check(z.regex(/^\d{1,16}$/));
const flag = z.enum(["true", "false", ""]);
const text = z.string();
const number = z.string().check(z.regex(/^\d{1,6}$/));

/** Every query parameter of the API. Ranges, which errors tell exactly, are looked at where the value is used. */
export const parameters = {
  consistency: {
    schema: z.string(),
    description: "how old may be what is read: linearizable (the default), session, bounded or any",
  },
  count: { schema: flag, description: "tell how many keys there are, and not which" },
  cursor: { schema: text, description: "where to go on: as the page before told it" },
  delimiter: { schema: text, description: "tell keys once that go on with something up to this" },
  end: { schema: text, description: "keys before this one" },
  expires: {
    schema: z.string().check(z.regex(/^\d{1,11}(?:\.\d{1,9})?$/)),
    description: "when the value goes, in seconds since 1970",
  },
  from: { schema: revision, description: "tell what came after this revision" },
  keep: { schema: duration, description: "for how long what is replaced is kept, like 24h" },
  key: { schema: text, description: "the key to watch" },
  lease: { schema: text, description: "the lease that the value goes with" },
  limit: { schema: number, description: "how many keys at most, from 1 to 1000" },
  max_staleness: {
    schema: duration,
    description: "how old it may be with consistency=bounded, like 2s",
  },
  ns: { schema: text, description: "a namespace to read in" },
  prefix: { schema: text, description: "keys that begin so" },
  replace: { schema: flag, description: "delete all there is first, and let revisions begin anew" },
  reverse: { schema: flag, description: "from the last key to the first" },
  revision: {
    schema: revision,
    description: "read what was at this revision, where history is kept",
  },
  start: { schema: text, description: "keys from this one on" },
  timeout: {
    schema: duration,
    description: "how long the store may try, from 50 ms to 5 s, like 800ms",
  },
  token: { schema: revision, description: "the token that the lock was got with" },
  ttl: {
    schema: duration,
    description: "how long it lives, from 1 s, in seconds or like 90s, 5m, 2h, 7d",
  },
  values: { schema: flag, description: "tell the values too" },
  verbose: { schema: text, description: "tell each check" },
  wait: { schema: duration, description: "wait for so long at most, up to 60 s, like 30s" },
} as const satisfies Record<string, Parameter>;

export type ParameterName = keyof typeof parameters;
