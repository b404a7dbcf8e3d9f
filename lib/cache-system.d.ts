import { EventEmitter } from 'node:events'

/** Limits of a {@link GitHubAPICache}. */
export interface CacheOptions {
  /** Entries in memory, at most. Default 1,000. When there are more, those that were not used for longest go. */
  maxEntries?: number
  /**
   * Bytes in memory, at most, counted as the length of each value's JSON. Default 64 MiB. Each entry counts as
   * at least its even share, `maxMemoryBytes / maxEntries`. A value that JSON cannot express (one with a `BigInt` or a
   * cycle, a function, `undefined`) counts as 1 KiB whatever it holds: for such values `maxEntries` is the bound.
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
  /**
   * By how much of its time an entry may expire sooner, 0 to 1, so that entries stored together do not expire
   * together. Every entry has its own lot, the same for all who share the folder. Default 0.
   */
  jitter?: number
  /**
   * Bounds in milliseconds between which the time to live of each entry is learnt: the longer its content stays the
   * same, the longer it is fresh. It starts from the cache's `ttl`; entries with a `ttl` of their own are left alone.
   * The estimate is Cho and Garcia-Molina's ("Estimating Frequency of Change", ACM TOIT 3(3), 2003). Off by default.
   */
  adaptiveTtl?: { min: number; max: number }
  /**
   * Milliseconds for which values of a content type are fresh, such as `{ 'text/*': 5_000, 'application/json': 60_000 }`.
   * The exact type counts before `type/*`, that before `*\/*`. It is for answers of `cachedFetch`, and for values that are
   * stored with their `response` where that says nothing of its freshness itself.
   */
  ttlByContentType?: Record<string, number>
  /**
   * Fetches an entry that `getOrFetch` will likely be asked for next, as learnt from the order of its calls. What it
   * returns is stored unless that is `undefined`. A failure is not told to anybody. Off by default.
   */
  prefetch?: Prefetch
  /**
   * Milliseconds between sweeps, which remove what has been expired for `maxStale`. They keep neither the cache nor
   * the process alive. Default 600,000; 0 for none.
   */
  sweepInterval?: number
  /**
   * Milliseconds for which sweeps leave an expired entry alone, so that it can be revalidated. `cleanup()` does not.
   * Default 86,400,000. It is at least `staleWhileRevalidate` and `staleIfError`.
   */
  maxStale?: number
}

/** Fetches what {@link CacheOptions.prefetch} wants. `headers` are those of the request it follows from. */
export type Prefetch = (
  url: string,
  headers: object | undefined,
  context: PrefetchContext,
) => unknown

/** What `prefetch` is told. */
export interface PrefetchContext {
  /** How what it returns is stored; may be changed until it returns. */
  options: SetOptions
}

/** The head of an HTTP response; a `Response` is one too. */
export interface ResponseHead {
  status?: number
  headers: Iterable<[string, string]> | Record<string, string | string[] | undefined>
}

/** How one entry is stored. */
export interface SetOptions {
  /** Milliseconds for which the entry is fresh, whatever the cache's `ttl`. */
  ttl?: number
  /** What the value came with, such as its `ETag`; {@link FetchContext.stale} gives it back. */
  validator?: string
  /**
   * The response that the value came in. Its headers then say how it is stored, by the rules of RFC 9111 for a private
   * cache: fresh for its `max-age`, or until it `Expires`, less its `Age` (or for GitHub's `X-Poll-Interval`); not at all
   * with `no-store`, which also removes an earlier value; with `no-cache` or `Vary: *` only to be revalidated; not beyond its
   * time with `must-revalidate`, whatever `staleWhileRevalidate` and `staleIfError`. Its `ETag` is the `validator`. A `ttl`
   * or `validator` given beside it counts before it. Where it says nothing, {@link CacheOptions.ttlByContentType} decides, then
   * `adaptiveTtl`, then the cache's `ttl`; what a 304 leaves out stays as it was.
   */
  response?: ResponseHead
}

/** How `getOrFetch` goes about it. */
export interface GetOrFetchOptions extends SetOptions {
  /**
   * Rejects with its reason. The fetch goes on while others wait for it; when all have left, it is told by its own
   * signal, and what it brings is not stored.
   */
  signal?: AbortSignal
}

/** What `fetchFunction` is told. */
export interface FetchContext {
  /** Fires when nobody waits any more. */
  signal: AbortSignal
  /** How what it returns is stored; may be changed until it returns. */
  options: SetOptions
  /** The entry as it was, expired or not, so that it can be revalidated. */
  stale(): Promise<{ data: any; validator?: string } | undefined>
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
  /** Of a cache with `prefetch`. */
  prefetch?: {
    /** Entries that were prefetched. */
    issued: number
    /** Those that were asked for. */
    hits: number
    /** Those that left memory before anybody asked for them. */
    wasted: number
    /** Calls of `prefetch` that threw. */
    failed: number
  }
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
  /** Entries in memory at most; writable. When it shrinks, the oldest go. */
  maxEntries: number
  /** Bytes in memory at most; writable. When it shrinks, the oldest go. */
  maxMemoryBytes: number
  /** The share of the memory tier's room that is taken, 0 to 1. */
  readonly memoryFill: number
  readonly memoryCache: MemoryCache
  /** The requests of `getOrFetch` under way, by key. */
  readonly pendingRequests: Map<string, Promise<any>>
  /** Live counts. */
  readonly stats: { hits: number; misses: number; requests: number }
  /** The hits by where the value was found: in memory, or on disk and moved into memory. */
  readonly hitsByTier: { memory: number; disk: number }
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
    fetchFunction: (context: FetchContext) => T | Promise<T>,
    headers?: object,
    options?: GetOrFetchOptions,
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

/** Options of {@link OptimizedGitHubClient}: those of its cache, and its own. */
export interface GitHubClientOptions extends CacheOptions {
  /** Folder of the cache. Default `'.aiwf/cache'`. */
  cacheDir?: string
  /** Milliseconds an answer stays fresh. Default 300,000. */
  ttl?: number
  /**
   * Sent as `Authorization: Bearer` to the API's own host, and by `downloadDirectory` to the host of its raw files
   * (raw.githubusercontent.com for github.com); to no other. Never printed, never stored.
   */
  token?: string
  /**
   * `cachedFetch`, and what goes through it, follow the headers of the responses, as `fetch` does and from the same
   * store, instead of `ttl`. Default false.
   */
  http?: boolean
  /**
   * What `fetch` does with stored responses when the network is gone: `'never'` serves them only where
   * `stale-if-error` allows it, `'auto'` however stale (unless they must be revalidated), `'force'` never asks the
   * network at all, whatever the method, and answers 504 for what is not stored. Default `'never'`.
   */
  offline?: 'never' | 'auto' | 'force'
  /**
   * How often an idempotent request is sent again when the connection fails or the server answers 500, 502, 503 or 504.
   * The pauses are those of `Retry-After` (up to 60 s; after a longer one it is not), else random up to a bound that
   * starts at 500 ms and doubles. An answer whose body breaks off is not asked for again. Default 0.
   */
  retries?: number
  /** Milliseconds for a connection, the secure channel included. Default 10,000. */
  connectTimeout?: number
  /** Milliseconds of silence while a body is sent, or an answer awaited or read. Default 30,000. */
  idleTimeout?: number
  /**
   * Milliseconds for a whole exchange, with `retries` for each attempt. None by default. What a request waits for
   * its turn under GitHub's limits counts, but with `onRateLimit: 'wait'`.
   */
  timeout?: number
  /** The longest body in bytes, decoded; beyond it `ERR_AIWF_TOO_LARGE`. None by default, for text about 512 MiB. */
  maxBodyBytes?: number
  /**
   * What becomes of requests that one of GitHub's limits stands in the way of. `'wait'` sends them when it has passed,
   * which may be an hour; after five refusals in a row they fail. `'throw'` rejects with a {@link RateLimitError}.
   * By default GitHub's refusal is an answer as any other, and what it would refuse for sure rejects without being sent.
   */
  onRateLimit?: 'wait' | 'throw'
  /**
   * Points a minute, at least 10: a request that changes something costs 5, any other 1, a 304 too. A ninth of them may go
   * at once. Where this holds, the first request of a resource goes alone, since its answer tells what is left. Default 900
   * for github.com and ghe.com, as GitHub documents, and Infinity elsewhere.
   */
  pointsPerMinute?: number
  /**
   * Requests to the API under way at once, their bodies included unless those wait for their reader. Default 100, GitHub's
   * limit.
   */
  maxConcurrent?: number
  /**
   * Whether `fetch` (and `http`) validate what another token has stored, so that a new token costs no body. GitHub's `ETag`
   * depends on the token in a way it does not document; where the guess is wrong, the answer is a plain 200. Nothing
   * is served before GitHub has said that this token may see it. Default false.
   */
  validateAcrossTokens?: boolean
}

/** A limit of GitHub's that stands in the way; see {@link OptimizedGitHubClient.on}. */
export interface RateLimitInfo {
  /** `'primary'`: the budget is used up. `'secondary'`: too much at once. */
  kind: 'primary' | 'secondary'
  /** As in `x-ratelimit-resource`, such as `'core'`. */
  resource: string
  /** What GitHub told last of the resource, if it has. */
  limit?: number
  remaining?: number
  used?: number
  /** When the budget is whole again, in milliseconds since the Unix epoch. */
  reset?: number
  /** Milliseconds until it may be asked again. */
  retryAfter: number
}

/** How a response came about, as the header `x-aiwf-cache` has it. */
export type CacheOutcome = 'hit' | 'revalidated' | 'stale' | 'miss' | 'bypass'

/** An answer, as soon as its head is there; see {@link OptimizedGitHubClient.on}. */
export interface ResponseInfo {
  method: string
  /** What was asked for first, its query included. */
  url: string
  status: number
  cache: CacheOutcome
  /** Milliseconds since it was asked for. */
  duration: number
}

/** A request that one of GitHub's limits stands in the way of. */
export interface RateLimitError extends Error {
  code: 'ERR_AIWF_RATE_LIMITED'
  resource: string
  /** When the budget is whole again, in milliseconds since the Unix epoch. */
  reset?: number
  /** Milliseconds. */
  retryAfter: number
  /** Without credentials. */
  url: string
  /** Of GitHub's answer; absent if the request was not sent. */
  status?: number
}

/** What is known of GitHub's limits for the token that was used last. Clients of a process share it. */
export interface GitHubLimits {
  /** By resource; `reset` in milliseconds since the Unix epoch. */
  resources: Record<string, { limit: number; remaining: number; used: number; reset: number }>
  /** Requests under way. */
  underWay: number
  /** Requests that wait for their turn. */
  waiting: number
  /** Milliseconds that a secondary limit lasts yet. */
  pausedFor?: number
}

/** Options of one request. */
export interface FetchOptions {
  /** Default `'GET'`. Only GET and HEAD are cached. */
  method?: string
  /** Sent beside `User-Agent: aiwf`; part of the cache key. */
  headers?: Record<string, string> | Headers
  body?: string | NodeJS.ArrayBufferView
  /** Milliseconds for the whole exchange, with `retries` for each attempt; 0 for no limit. Without it, 10 s to connect and 30 s of silence are allowed. Who shares a request under way shares its timeout. */
  timeout?: number
  /** Rejects with its reason. A cached request that others wait for as well goes on for them. */
  signal?: AbortSignal
}

/** A status outside 2xx. The message is `HTTP <status>: <status text>`. */
export interface HttpStatusError extends Error {
  code: 'ERR_AIWF_HTTP_STATUS'
  status: number
  /** Without query and credentials. */
  url: string
  headers: Record<string, string>
  body: string
}

/**
 * A request without a usable answer. `ERR_INVALID_URL` and `ERR_AIWF_INVALID_REQUEST` are a `TypeError`.
 */
export interface NetworkError extends Error {
  code:
    | 'ERR_INVALID_URL'
    | 'ERR_AIWF_INVALID_REQUEST'
    | 'ERR_AIWF_DNS'
    | 'ERR_AIWF_CONNECT'
    | 'ERR_AIWF_TLS'
    | 'ERR_AIWF_TIMEOUT'
    | 'ERR_AIWF_RESET'
    | 'ERR_AIWF_PROTOCOL'
    | 'ERR_AIWF_REDIRECT'
    | 'ERR_AIWF_TOO_LARGE'
  /** Without query and credentials. */
  url: string
}

/** What became of all files up to now. */
export interface DownloadTally {
  /** Files, links and submodules in the folder. */
  total: number
  /** Fetched, checked and written. */
  downloaded: number
  /** Already there with the right content. */
  unchanged: number
  /** Submodules. */
  skipped: number
  failed: number
  /** Of the downloaded files. */
  bytes: number
}

/** Told of every file once it is through. */
export interface DownloadEvent {
  /** Within the repository. */
  path: string
  status: 'downloaded' | 'unchanged' | 'skipped' | 'failed'
  /** Downloaded. */
  bytes: number
  /** Of a failed file. */
  error?: Error
  tally: DownloadTally
}

/** A file that could not be fetched or written. */
export interface DownloadFailure {
  /** Within the repository. */
  path: string
  error: Error
}

/** What {@link OptimizedGitHubClient.downloadDirectory} did. */
export interface DownloadSummary extends DownloadTally {
  repository: string
  ref: string
  /** Absolute. */
  destination: string
  /** Requests the API answered; raw files are not among them. */
  apiCalls: number
  /** Answers of the API that the cache gave instead. */
  cacheHits: { memory: number; disk: number }
  /** Milliseconds. */
  duration: number
  failures: DownloadFailure[]
  /** Submodules: they belong to other repositories. */
  skippedPaths: string[]
}

/** Options of {@link OptimizedGitHubClient.downloadDirectory}. */
export interface DownloadOptions {
  /** Branch, tag or commit. Default `'HEAD'`, the default branch. */
  ref?: string
  /** Files in flight. Default 10. */
  concurrency?: number
  /** Called for every file. What it throws ends the download. */
  onProgress?: (event: DownloadEvent) => void
  /** Stops the download; files that are through stay, the others are untouched. */
  signal?: AbortSignal
}

/** A client of GitHub's REST API behind a {@link GitHubAPICache} and a rate limit. */
export class OptimizedGitHubClient extends EventEmitter<{
  rateLimit: [info: RateLimitInfo]
  /** An answer by HTTP's rules: of `fetch`, and of `cachedFetch` with `http: true`. */
  response: [info: ResponseInfo]
}> {
  /** @param baseUrl default `'https://api.github.com'` */
  constructor(baseUrl?: string, cacheOptions?: GitHubClientOptions)
  /** As `cache.cacheDir`, it may be changed; requests that begin later follow it. */
  baseUrl: string
  /** Its `clear`, `verify` and `diskStats` cover the responses of `fetch` as well. */
  readonly cache: GitHubAPICache
  /** 60 calls a minute by default. May be replaced by anything with `waitForNext()`. */
  rateLimiter: {
    waitForNext(options?: { signal?: AbortSignal }): Promise<unknown>
    getStats?(): unknown
  }
  /** Prepares the cache's folder. */
  init(): Promise<void>
  /**
   * The parsed JSON at `url` (relative ones start from `baseUrl`), from the cache if it is fresh there; `null` for an
   * empty body. An expired answer that came with an `ETag` is asked for only if it has changed: a 304 costs neither the
   * body nor GitHub's primary rate limit. The rate limiter is awaited only when the network is used.
   * @throws {HttpStatusError} {@link NetworkError} {@link RateLimitError}; a `SyntaxError` with `code: 'ERR_AIWF_INVALID_JSON'`
   */
  cachedFetch(url: string, options?: FetchOptions): Promise<any>
  /**
   * The global `fetch` behind a private HTTP cache that follows RFC 9111, RFC 5861 and RFC 8246; it may be handed on
   * alone, as in `new Octokit({ request: { fetch: client.fetch } })`. Relative URLs start from `baseUrl`; `token` and
   * `User-Agent: aiwf` are added where the request has none. The header `x-aiwf-cache` of the response says what
   * happened: `hit`, `revalidated` (the origin said 304), `stale`, `miss`, or `bypass` (a method other than GET and HEAD,
   * `cache: 'no-store'`, or a request with conditions of its own).
   *
   * Responses live in the folder `http` of `cacheDir`, within `maxMemoryBytes` and `maxDiskBytes` of their own, apart by
   * `Authorization` and `Cookie`, which are not stored themselves. A body is stored when all of it was read, up to 32 MiB. The
   * rate limiter is not awaited, GitHub's own limits are kept to. A body that streams out is read whole first. `integrity` is
   * checked before the response resolves. Bodies are decoded; `Content-Encoding` and `Content-Length` then are gone.
   * @throws {NetworkError} {@link RateLimitError}; the signal's reason; a `TypeError` for what may not be asked for, and with
   * `code: 'ERR_AIWF_INTEGRITY'` for a body with another digest
   */
  readonly fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>
  /** `cachedFetch` of each URL, in order, at most `batchSize` (default 5) in flight; none stops the others. */
  batchRequest(
    urls: string[],
    options?: FetchOptions & { batchSize?: number },
  ): Promise<PromiseSettledResult<any>[]>
  /** The contents API's listing of a folder. */
  getDirectoryStructure(repoPath: string, dirPath?: string): Promise<any>
  /** The contents API's description of a file, with its content in base64. */
  getFileContent(repoPath: string, filePath: string): Promise<any>
  /**
   * Mirrors a folder of `owner/name` into `destination`: lists it through {@link cachedFetch} (one call where the API
   * has git trees), fetches the raw files at once, and writes those whose git blob SHA is not yet on disk, each
   * checked and atomically. A file that fails is in `failures`; the others still arrive.
   * @throws before anything is written: `ERR_AIWF_NOT_FOUND`, `ERR_AIWF_UNSAFE_PATH` (an entry or link that leaves
   *   the destination), a file-system error of the destination, or the error of the listing
   */
  downloadDirectory(
    repoPath: string,
    dirPath: string,
    destination: string,
    options?: DownloadOptions,
  ): Promise<DownloadSummary>
  /** `rateLimit` has the figures of the rate limiter, and what GitHub told last. */
  getStats(): { cache: CacheStats; rateLimit: RateLimiterStats & { github: GitHubLimits } }
  /** Removes expired cache entries. */
  cleanup(): Promise<CleanupResult>
}
