/** What a body's version is one of: what replicas say to each other, or edges and replicas. */
export type Protocol = "peer" | "client";

/** A body of a version that this code does not know. It is refused with 400, by a body of its own. */
export class UnknownVersion extends Error {
  override readonly name = "UnknownVersion";
  readonly #protocol: Protocol;
  readonly #version: unknown;
  readonly #known: readonly number[];

  constructor(protocol: Protocol, version: unknown, known: readonly number[]) {
    super(`unknown ${protocol} version ${String(version)}; this code knows ${known.join(", ")}`);
    this.#protocol = protocol;
    this.#version = version;
    this.#known = known;
  }

  /** JSON, which people can read as well as code of any version. */
  toResponse(): Response {
    const body: Refusal = {
      code: unknownVersion,
      protocol: this.#protocol,
      version: String(this.#version),
      known: this.#known,
      detail: this.message,
    };
    return Response.json(body, { status: 400 });
  }
}

interface Refusal {
  readonly code: typeof unknownVersion;
  readonly protocol: Protocol;
  /** The version that was refused. */
  readonly version: string;
  /** Those that would not be. */
  readonly known: readonly number[];
  readonly detail: string;
}

const unknownVersion = "unknown_version";

/** What replicas of version 1 say instead of all that, and no more. */
const refusalIn1 = /^unknown (?:peer|client) version /;

/**
 * The versions that the other side knows, if it answered that it does not know the one it was asked in;
 * null when it answered anything else.
 */
export function versionsKnown(protocol: Protocol, status: number, text: string): number[] | null {
  if (status !== 400) return null;
  if (refusalIn1.test(text)) return [1];
  try {
    const refusal = JSON.parse(text) as Partial<Refusal> | null;
    const isIt = refusal?.code === unknownVersion && refusal.protocol === protocol;
    return isIt ? [...(refusal.known ?? [])] : null;
  } catch {
    return null;
  }
}

/** @throws UnknownVersion unless the version is one of those that are known. */
export function checkVersion(protocol: Protocol, version: unknown, known: readonly number[]): void {
  if (!known.some((each) => each === version)) throw new UnknownVersion(protocol, version, known);
}
