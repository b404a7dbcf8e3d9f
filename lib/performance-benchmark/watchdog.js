// @ts-check
'use strict'

/** The error of a call that took longer than its time limit. */
class TimeoutError extends Error {
  /** @param {number} timeout */
  constructor(timeout) {
    super(`Test timeout: no result within ${timeout} ms`)
    this.code = 'ERR_AIWF_TEST_TIMEOUT'
  }

  get name() {
    return 'TimeoutError'
  }
}

/** A time limit for one promise after another, with one timer for all of them. */
class Watchdog {
  #timeout
  #deadline = 0
  /** @type {NodeJS.Timeout | undefined} */
  #timer
  /** @type {((reason: unknown) => void) | undefined} */
  #reject

  /** @param {number} timeout milliseconds */
  constructor(timeout) {
    this.#timeout = timeout
  }

  /**
   * Settles as `result` does, or rejects when that takes too long. One at a time, and no limit may end before
   * an earlier one.
   *
   * @param {PromiseLike<unknown>} result
   * @param {number} [limit] milliseconds
   * @returns {Promise<unknown>}
   */
  watch(result, limit = this.#timeout) {
    this.#deadline = performance.now() + limit
    this.#timer ??= setTimeout(() => this.#look(), limit)
    return new Promise((resolve, reject) => {
      this.#reject = reject
      result.then(resolve, reject)
    })
  }

  /** Rejects what is being watched. @param {unknown} reason */
  interrupt(reason) {
    this.#reject?.(reason)
  }

  /** Must be called when nothing is left to watch, or the timer keeps the process alive. */
  stop() {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  // The deadline has moved on with every new promise; the timer follows only when it goes off.
  #look() {
    const left = this.#deadline - performance.now()
    this.#timer = undefined
    if (left > 0) this.#timer = setTimeout(() => this.#look(), Math.ceil(left))
    else this.#reject?.(new TimeoutError(this.#timeout))
  }
}

module.exports = { TimeoutError, Watchdog }
