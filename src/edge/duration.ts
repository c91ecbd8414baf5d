/** A time as people write it, in ms: a number and `ms`, `s`, `m`, `h` or `d`; null when it is not one. */
export function parseDuration(text: string, unitIfNone: keyof typeof units): number | null {
  const [, number, unit] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)?$/.exec(text) ?? [];
  if (number === undefined) return null;
  // Timers and clocks take whole numbers only.
  return Math.floor(Number(number) * units[(unit ?? unitIfNone) as keyof typeof units]);
}

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
