/** Limits of a {@link GitHubAPICache}. */
export interface CacheOptions {
  /** Entries in memory, at most. Default 1,000. */
  maxEntries?: number
  /**
   * Bytes in memory, at most, counted as the length of each value's JSON. Default 64 MiB. Each entry counts as
   * at least its even share, `maxMemoryBytes / maxEntries`.
   */
  maxMemoryBytes?: number
  /** Bytes on disk, at most. Default 256 MiB. A value larger than this is kept in memory only. */
  maxDiskBytes?: number
  /**
   * Milliseconds after its time for which `getOrFetch` still answers with an entry, while it fetches a new one in
   * the background. Default 0.
   */
  staleWhileRevalidate?: number
  /** Milliseconds after its time for which `getOrFetch` answers with an entry when fetching fails. Default 0. */
  staleIfError?: number
}

/** How one entry is stored. */
export interface SetOptions {
  /** Milliseconds for which the entry is fresh, whatever the cache's `ttl`. */
  ttl?: number
}

/** An entry of the memory tier. */
export interface MemoryEntry {
  data: any
  /** When it was stored, in milliseconds since the Unix epoch. */
  timestamp: number
  /** The entry's own policy, if it has one, in milliseconds. */
  ttl?: number
}

/** The memory tier as a Map of keys to entries, fresh or not, oldest first. */
export interface MemoryCache extends Iterable<[string, MemoryEntry]> {
  readonly size: number
  has(key: string): boolean
  get(key: string): MemoryEntry | undefined
  set(key: string, entry: MemoryEntry): this
  delete(key: string): boolean
  clear(): void
  keys(): IterableIterator<string>
  values(): IterableIterator<MemoryEntry>
  entries(): IterableIterator<[string, MemoryEntry]>
  forEach(visit: (entry: MemoryEntry, key: string, cache: this) => void, thisArg?: unknown): void
}

/** What {@link GitHubAPICache.getStats} returns. */
export interface CacheStats {
  /** Look-ups that found a fresh entry. */
  hits: number
  /** Look-ups that found none. */
  misses: number
  /** Calls of `getOrFetch`. */
  requests: number
  /** Hits by look-ups, such as `'66.67%'`; `'0%'` before any. */
  hitRate: string
  /** Entries in memory. */
  memorySize: number
  cacheDir: string
}

/** What {@link GitHubAPICache.cleanup} returns. */
export interface CleanupResult {
  /** Entries removed from memory. */
  expiredMemoryKeys: number
  /** Entries removed from disk. */
  expiredDiskEntries: number
  /** By how much the files on disk shrank, in bytes. */
  freedBytes: number
  message: string
}

/**
 * A cache of two tiers: live values in memory, JSON on disk. Both are bounded. Several caches, threads and
 * processes may share a folder.
 *
 * What is damaged on disk is a miss. A disk that fails is reported once, on `console.warn`; the cache then
 * works in memory.
 */
export class GitHubAPICache {
  /**
   * @param cacheDir the folder on disk, default `.aiwf/cache`
   * @param ttl milliseconds, default 300,000
   */
  constructor(cacheDir?: string, ttl?: number, options?: CacheOptions)
  /** Writable; takes effect on the next use. */
  cacheDir: string
  /** Milliseconds for which an entry without a policy of its own is fresh, as it stands when it is read. */
  ttl: number
  readonly memoryCache: MemoryCache
  /** The requests of `getOrFetch` under way, by key. */
  readonly pendingRequests: Map<string, Promise<any>>
  /** Live counts. */
  readonly stats: { hits: number; misses: number; requests: number }
  /** Makes `cacheDir`. Where that fails it warns, and the cache works in memory only. */
  init(): Promise<void>
  /** The lower-case hex SHA-256 of `JSON.stringify({ url, headers })`. */
  generateCacheKey(url: string, headers?: object): string
  /** The value, or `null` when there is none or it has expired. */
  get(url: string, headers?: object): Promise<any>
  /** Stores a value in both tiers; resolves when it is written. */
  set(url: string, data: unknown, headers?: object, options?: SetOptions): Promise<void>
  /**
   * The cached value, or what `fetchFunction` returns: one call for all who ask while it runs. Its error reaches
   * them all and is not cached.
   */
  getOrFetch<T = any>(
    url: string,
    fetchFunction: () => T | Promise<T>,
    headers?: object,
    options?: SetOptions,
  ): Promise<T>
  getStats(): CacheStats
  /** Removes what has expired. */
  cleanup(): Promise<CleanupResult>
  /** Empties both tiers and zeroes the counts. */
  clear(): Promise<void>
  /** Removes an entry; whether there was one. */
  delete(url: string, headers?: object): Promise<boolean>
  /** Reads every entry on disk and removes the damaged. Rejects when the disk fails. */
  verify(): Promise<{ damagedEntries: number; damagedBytes: number }>
  /** Entries and bytes on disk. Rejects when the disk fails. */
  diskStats(): Promise<{ entries: number; bytes: number }>
  /** The value in memory under a key, or `null`. */
  getFromMemory(key: string): any
  /** The value on disk under a key, or `null`. A hit moves into memory. */
  getFromDisk(key: string): Promise<any>
  /** Stores a value in both tiers under a key. */
  saveToCache(key: string, data: unknown): Promise<void>
}

/** Counts of a {@link RateLimiter}. */
export interface RateLimiterStats {
  /** Calls that passed. */
  totalRequests: number
  /** Calls that had to wait. */
  throttledRequests: number
  /** Calls that passed within the last `timeWindow`. */
  currentRequests: number
  maxRequests: number
  timeWindow: number
}

/**
 * An exact sliding-window rate limit: in any stretch of `timeWindow` milliseconds at most `maxRequests` calls
 * pass, first come first served, and nobody waits longer than that needs.
 */
export class RateLimiter {
  /**
   * @param maxRequests at least 1
   * @param timeWindow milliseconds
   */
  constructor(maxRequests: number, timeWindow: number)
  /** Writable; takes effect on the next decision. */
  maxRequests: number
  /** Milliseconds. Writable; takes effect on the next decision. */
  timeWindow: number
  /** Resolves when it is the caller's turn. Rejects with the signal's reason if that comes first. */
  waitForNext(options?: { signal?: AbortSignal }): Promise<void>
  getStats(): RateLimiterStats
}
