/** The fields that have a value: what is left out says that something is as usual. */
export function defined<T extends object>(fields: T): Defined<T> {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}

type Defined<T> = { readonly [Name in keyof T]?: Exclude<T[Name], undefined> };
