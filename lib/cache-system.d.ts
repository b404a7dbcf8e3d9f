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
