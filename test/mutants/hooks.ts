/**
 * Imported before a program (`node --import`), makes it run a mutant: the one that the variable MUTANT
 * names.
 */
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { mutate } from "./mutant.ts";
import { mutants } from "./mutants.ts";

const name = process.env["MUTANT"];
const mutant = mutants.find((each) => each.name === name);
if (mutant === undefined) throw new Error(`there is no mutant ${String(name)}`);
const url = pathToFileURL(join(import.meta.dirname, "../..", mutant.file)).href;

registerHooks({
  load(loaded, context, next) {
    const module = next(loaded, context);
    if (loaded !== url) return module;
    const source =
      typeof module.source === "string" ? module.source : new TextDecoder().decode(module.source);
    return { ...module, source: mutate(mutant, source) };
  },
});
