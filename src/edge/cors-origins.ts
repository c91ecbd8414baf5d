/**
 * Which pages may use the API: `*` for any, `localhost` for those of this machine, an origin like
 * `https://shop.example`, or several of these with commas between. Nothing lets none.
 */
export const anyOrigin = "*";

const local = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;

/** What to say to a page of an origin: the origins that may, or null. */
export function allowedOrigin(origin: string, origins: string): string | null {
  const allowed = new Set(origins.split(",").map((each) => each.trim()));
  if (allowed.has(anyOrigin)) return anyOrigin;
  const isAllowed = allowed.has(origin) || (allowed.has("localhost") && local.test(origin));
  return isAllowed ? origin : null;
}
