// @ts-check
'use strict'

/**
 * Who profiles for a while only. The last to leave stops what the first had to start.
 */
class Visits {
  #profiler
  #count = 0
  #started = false

  /** @param {{ profiling: boolean, startProfiling(): void, stopProfiling(): void }} profiler */
  constructor(profiler) {
    this.#profiler = profiler
  }

  enter() {
    if (!this.#profiler.profiling) {
      // Who cannot start it has not entered.
      this.#profiler.startProfiling()
      this.#started = true
    }
    this.#count++
  }

  leave() {
    if (--this.#count === 0 && this.#started) this.#profiler.stopProfiling()
  }

  /** Profiling was started, or stopped, by somebody who stays. */
  giveUp() {
    this.#started = false
  }
}

module.exports = { Visits }
