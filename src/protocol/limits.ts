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

/** A value that is kept in parts. */
export const maxLargeBytes = 25 * 1024 * 1024;

export const maxContentTypeBytes = 256;

/** JSON text kept with a value. */
export const maxMetadataBytes = 1024;

/** What one page of a list may have: keys, and bytes of values. */
export const maxListKeys = 1000;
export const defaultListKeys = 100;
export const maxListBytes = 1024 * 1024;

/** Keys that are counted at a time. */
export const maxCountedKeys = 100_000;

/** Views of a state that clients may have open at a replica, the bytes of a page of one, and how long it may lie unread. */
export const maxOpenViews = 8;
export const viewPageBytes = 256 * 1024;
export const viewIdleMs = 30_000;

/** Bytes of events that a replica tells at a time; a single revision may have more. */
export const maxWatchPageBytes = 64 * 1024;

/** A value of more bytes is left out of what watches tell: one put goes to all who watch, at one moment. */
export const maxWatchedValueBytes = 64 * 1024;

/** How long a watch is quiet before it says how far it has looked, and how long a long poll may wait, in ms. */
export const watchProgressMs = 10_000;
export const maxWatchWaitMs = 60_000;

/** What a client that watches on a socket may be told before it says how far it is. */
export const watchWindowEvents = 1000;
export const watchWindowBytes = 256 * 1024;

/** A key or a prefix that is watched on a socket, in bytes: it is kept with the socket, where room is scarce. */
export const maxSocketRangeBytes = 512;

/** Streams of changes that a replica serves at a time. */
export const maxWatchers = 1000;

export const maxLeaseKeys = 1000;

/** Conditions of a transaction, and operations of each of its lists; keys of a batch get. */
export const maxTransactionOperations = 128;

/** The JSON of a transaction, or of a batch get. */
export const maxTransactionBytes = 1024 * 1024;

/** How long values and leases live, in ms. Longer than ten years is for ever. */
export const minTtlMs = 1000;
export const maxTtlMs = 10 * 366 * 24 * 60 * 60 * 1000;

/** A client's own name for a request, in printable ASCII. */
export const maxIdempotencyKeyBytes = 255;

/** Requests in one call from an edge to a replica, and the bytes of their values together. */
export const maxBatchRequests = 1024;
export const maxBatchBytes = 1024 * 1024;

/**
 * A namespace names a Raft group. Lower case, so that it reads the same in paths, object names and
 * logs.
 */
export const namespacePattern = /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/;

/** The bounds of `?max_staleness=`, in ms. */
export const minStalenessMs = 100;
export const maxStalenessMs = 3_600_000;

/**
 * How long a client request may take altogether, in ms: the default, and the bounds of `?timeout=`.
 */
export const defaultTimeoutMs = 5000;
export const minTimeoutMs = 50;
export const maxTimeoutMs = 5000;
