/**
 * The limits of what a client may send. Enforced by the edge, which answers 4xx; a replica only
 * ever sees what keeps them.
 */

/** A key is well-formed Unicode of 1 to this many bytes of UTF-8. */
export const maxKeyBytes = 2048;

/**
 * A value, inline. Well under the 2 MB that a row of a Durable Object may have, with the log's
 * overhead included.
 */
export const maxValueBytes = 1024 * 1024;

export const maxContentTypeBytes = 256;

/** Requests in one call from an edge to a replica, and the bytes of their values together. */
export const maxBatchRequests = 1024;
export const maxBatchBytes = 1024 * 1024;

/**
 * A namespace names a Raft group. Lower case, so that it reads the same in paths, object names and
 * logs.
 */
export const namespacePattern = /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/;

/**
 * How long a client request may take altogether, in ms: the default, and the bounds of `?timeout=`.
 */
export const defaultTimeoutMs = 5000;
export const minTimeoutMs = 50;
export const maxTimeoutMs = 5000;
