/**
 * The faults in force in a local cluster: plain data that the Worker and all its replicas share,
 * since locally they run in one isolate. Deployed Workers have nothing like it.
 */
export class Faults {
  readonly killed = new Set<string>();
  readonly paused = new Set<string>();
  /** Who can talk to whom; null when everybody can. A replica in no group is alone. */
  groups: readonly (readonly string[])[] | null = null;
  /** The namespaces in use since the process started. */
  readonly namespaces = new Set<string>();
  /** The replicas that have been called since then, those included that came later. */
  readonly ids = new Set<string>();

  /** Whether a message from one replica gets to the other. */
  isCut(from: string, to: string): boolean {
    return (
      this.groups !== null &&
      !this.groups.some((group) => group.includes(from) && group.includes(to))
    );
  }
}

export const faults = new Faults();

/** What a replica that is killed says to those that it was talking with. */
export const killReason = "killed";
