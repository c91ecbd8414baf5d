import type { Context } from "hono";
import { describeApi } from "../contract/document.ts";
import { describeOnPage } from "../contract/page.ts";
import type { EdgeEnv } from "../env.ts";

/** Made once, when somebody first asks for it. */
let document: string | null = null;

/** `GET /openapi.json`: the API, for programs. */
export function getOpenApi(c: Context<EdgeEnv>): Response {
  document ??= `${JSON.stringify(describeApi(), null, 2)}\n`;
  return c.body(document, 200, { "Content-Type": "application/json" });
}

/** `GET /docs`: the API, for people. */
export const getDocs = (c: Context<EdgeEnv>): Response | Promise<Response> =>
  c.html(describeOnPage());
