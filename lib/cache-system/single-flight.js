// @ts-check
'use strict'

const { onAbort } = require('../internal/signal.js')

/**
 * Work under way, and those who wait for it.
 *
 * @template Note
 * @typedef {object} Flight
 * @property {Promise<any>} promise
 * @property {AbortController} controller tells the work that nobody wants it any more
 * @property {number} waiting
 * @property {Note} [note] what the work wants to tell those who wait
 */

/**
 * One piece of work for all who ask under the same key while it runs. Who aborts leaves; when the last one has
 * left, the work is told by its signal and forgotten, whether it ever settles or not.
 *
 * @template Note
 */
class SingleFlight {
  /** By key. @type {Map<string, Promise<any>>} */
  pending = new Map()
  /** @type {WeakMap<Promise<any>, Flight<Note>>} */
  #flights = new WeakMap()

  /**
   * The work under way for `key`, which is started if there is none.
   *
   * @param {string} key
   * @param {(flight: Flight<Note>) => Promise<any>} start
   * @returns {Flight<Note>}
   */
  enter(key, start) {
    const pending = this.pending.get(key)
    const known = pending && this.#flights.get(pending)
    if (known) return known
    const controller = new AbortController()
    /** @type {Flight<Note>} */
    const flight = { promise: Promise.resolve(), controller, waiting: 0 }
    flight.promise = start(flight).finally(() => this.#leave(key, flight))
    this.pending.set(key, flight.promise)
    this.#flights.set(flight.promise, flight)
    return flight
  }

  /**
   * What the work resolves to, or the signal's reason if that comes first.
   *
   * @param {string} key
   * @param {Flight<Note>} flight
   * @param {AbortSignal} [signal]
   */
  wait(key, flight, signal) {
    flight.waiting++
    if (!signal) return flight.promise
    return new Promise((resolve, reject) => {
      const stop = onAbort(signal, () => {
        reject(signal.reason)
        if (--flight.waiting > 0) return
        this.#leave(key, flight)
        flight.controller.abort(signal.reason)
      })
      flight.promise.finally(stop).then(resolve, reject)
    })
  }

  /**
   * @param {string} key
   * @param {Flight<Note>} flight
   */
  #leave(key, { promise }) {
    // Another may be under way already, after all had left this one.
    if (this.pending.get(key) === promise) this.pending.delete(key)
  }
}

module.exports = { SingleFlight }
