/** What else is kept of a value that was put with nothing but its content type. */
export const bare = { metadata: null, expiresMs: null, lease: null, large: null } as const;
