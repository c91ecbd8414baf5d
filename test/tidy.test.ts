/** The rules that the code itself keeps, so that no reviewer has to: who may import whom, and the like. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, posix } from "node:path";
import { expect, test } from "vitest";

/**
 * What each folder of src may import besides itself; an entry for a single file goes before its
 * folder's. A name that ends in "/" or ":" stands for all that starts with it, and "type" lets only
 * `import type` through.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  raft: [],
  kv: [],
  protocol: ["type src/raft/", "type src/kv/", "@msgpack/msgpack"],
  replica: ["src/raft/", "src/kv/", "src/protocol/", "cloudflare:workers"],
  edge: [
    "src/protocol/",
    "type src/kv/",
    "src/kv/command.ts",
    "src/kv/epochs.ts",
    "src/kv/key-range.ts",
    "hono",
    "hono/",
    "zod/mini",
    "zod-openapi",
  ],
  client: ["type src/protocol/"],
  cli: ["type src/protocol/", "src/client/", "node:"],
  dashboard: ["type src/protocol/", "src/client/"],
  cluster: ["src/", "node:", "miniflare", "esbuild", "hono"],
  "cluster/local-worker.ts": ["src/", "cloudflare:workers"],
  "worker.ts": ["src/edge/app.ts", "src/replica/gateway.ts", "src/replica/replica.ts"],
};

/** Files that are started or bundled rather than imported. */
const entries = new Set([
  "src/worker.ts",
  "src/cluster/main.ts",
  "src/cluster/start.ts",
  "src/cluster/guard.ts",
  "src/cluster/local-worker.ts",
]);
/** What is in use shows only once both programs are there. */
const programsExist = ["src/worker.ts", "src/cluster/main.ts"].every((p) => existsSync(inRoot(p)));

/** The runtime finds a Worker's handlers on its default export. */
const mayExportDefault = new Set(["src/worker.ts", "src/cluster/local-worker.ts"]);
const maxLines = 450;
const rulesDoc = "docs/raft-rules.md";

test("each folder imports only what it may", () => {
  const problems = sources.flatMap((source) => {
    const [, place = "", ...rest] = source.path.split("/");
    const allowed = mayImport[[place, ...rest].join("/")] ?? mayImport[place];
    if (!allowed) return [`${source.path}: its folder has no entry in mayImport`];
    return source.imports
      .filter(({ target, typeOnly }) => {
        if (rest.length > 0 && target.startsWith(`src/${place}/`)) return false;
        return !allowed.some(
          (name) =>
            covers(name, target) || (typeOnly && covers(name.replace(/^type /, ""), target)),
        );
      })
      .map(({ target, typeOnly }) => {
        const may = allowed.join(", ") || "nothing outside its folder";
        return `${source.path} imports ${typeOnly ? "types of " : ""}${target}; it may import: ${may}`;
      });
  });
  expect(problems).toEqual([]);
});

test("the core and the state machine have no clock, chance, timers or network", () => {
  const host = /\b(?:Date\.now|new Date|Math\.random|performance\.|crypto\.|setTimeout|fetch\()/g;
  const problems = sources
    .filter(({ path }) => /^src\/(?:raft|kv)\//.test(path))
    .flatMap(({ path, code }) => matches(code, host).map(([use]) => `${path} uses ${use}`));
  expect(problems, "time and chance come in as inputs; see src/raft/io.ts").toEqual([]);
});

test("every name is exported once, where it is defined", () => {
  const problems = sources.flatMap(({ path, code }) => [
    ...(/\bexport\s*\*/.test(code) ? [`${path} has an \`export *\``] : []),
    ...(/\bexport\s+default\b|\bas\s+default\b/.test(code) && !mayExportDefault.has(path)
      ? [`${path} has a default export`]
      : []),
  ]);
  expect(problems).toEqual([]);
});

test.skipIf(!programsExist)("every source file is in use", () => {
  const imported = new Set(sources.flatMap(({ imports }) => imports.map(({ target }) => target)));
  const dead = sources.map(({ path }) => path).filter((p) => !entries.has(p) && !imported.has(p));
  expect(dead, "imported by no file in src: remove it, or name it in entries").toEqual([]);
});

test(`no source file is longer than ${maxLines} lines`, () => {
  const long = sources.filter(({ lines }) => lines > maxLines);
  expect(long.map(({ path, lines }) => `${path} has ${lines} lines`)).toEqual([]);
});

test.skipIf(!existsSync(inRoot(rulesDoc)))(`every rule of ${rulesDoc} is tested by its id`, () => {
  const definition = /^\s*(?:[-*+]|\d+\.|#+)\s+\*\*\[([A-Z]+\d+)\]/gm;
  const defined = new Set(matches(read(rulesDoc), definition).map(([, id]) => id));
  const cited = [...testTitles(), ...scenarioComments()].flatMap(({ path, text }) =>
    matches(text, /\[([A-Z]+\d+)\]/g).map(([, id]) => ({ path, id })),
  );
  const tested = new Set(cited.map(({ id }) => id));
  expect(
    {
      "defined, but in no test title or scenario comment": [...defined].filter(
        (id) => !tested.has(id),
      ),
      "cited, but not defined": cited
        .filter(({ id }) => !defined.has(id))
        .map(({ path, id }) => `[${id}] in ${path}`),
    },
    `the rules are defined in ${rulesDoc}`,
  ).toEqual({
    "defined, but in no test title or scenario comment": [],
    "cited, but not defined": [],
  });
});

/** The first string of `test("...`, `describe.each(...)("...` and the like. */
function testTitles() {
  const title =
    /(?:\b(?:test|it|describe)(?:\.\w+)*|\))\(\s*("(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`)/g;
  return filesIn("test")
    .filter((path) => path.endsWith(".test.ts") && path !== "test/tidy.test.ts")
    .flatMap((path) => matches(read(path), title).map(([, text = ""]) => ({ path, text })));
}

function scenarioComments() {
  return filesIn("test/scenarios")
    .filter((path) => path.endsWith(".txt"))
    .flatMap((path) => matches(read(path), /^\s*#.*$/gm).map(([text]) => ({ path, text })));
}

// Below: how the files are read. Everything above sees paths from the root, with "/".

interface Source {
  readonly path: string;
  readonly lines: number;
  /** The text without its comments, which may name what the code may not use. */
  readonly code: string;
  readonly imports: readonly Import[];
}

interface Import {
  /** A path from the root, or the name of a package or built-in module. */
  readonly target: string;
  readonly typeOnly: boolean;
}

const sources: readonly Source[] = filesIn("src")
  .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
  .map((path) => {
    const text = read(path);
    const code = withoutComments(text);
    return { path, lines: text.split("\n").length - 1, code, imports: importsOf(path, code) };
  });

function importsOf(path: string, code: string): Import[] {
  const statement =
    /\b(?:import|export)\s+(type\s+)?(?:[^"';=()]*\sfrom\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"/g;
  return matches(code, statement).map(([, type, named, dynamic]) => {
    const name = named ?? dynamic ?? "";
    const target = name.startsWith(".") ? posix.join(posix.dirname(path), name) : name;
    return { target, typeOnly: type !== undefined };
  });
}

/** Strings are matched too, and kept, so that a "//" inside one starts no comment. */
function withoutComments(text: string): string {
  const token = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[^]*?\*\/|\/\/.*/g;
  return text.replace(token, (_, string: string | undefined) => string ?? "");
}

function covers(name: string, target: string): boolean {
  return /[/:]$/.test(name) ? target.startsWith(name) : target === name;
}

function matches(text: string, pattern: RegExp): RegExpExecArray[] {
  return [...text.matchAll(pattern)];
}

function filesIn(folder: string): string[] {
  if (!existsSync(inRoot(folder))) return [];
  return readdirSync(inRoot(folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .toSorted();
}

function read(path: string): string {
  return readFileSync(inRoot(path), "utf8");
}

function inRoot(path: string): string {
  return join(import.meta.dirname, "..", path);
}
