// @ts-check
'use strict'

const args = require('../internal/arguments.js')

/** @import * as types from '../memory-profiler.js' */

/** @implements {types.ObjectLeakDetector} */
class ObjectLeakDetector {
  /** @type {Map<string, number>} */
  objectCounts = new Map()
  tracking = false
  /** Of those that were tracked since the counts were last cleared. The held value must not hold the object. */
  #live = this.#registry()

  startTracking() {
    this.tracking = true
    // What was tracked before is in no count now, and the dropped registry tells nothing more.
    this.#live = this.#registry()
    this.objectCounts.clear()
  }

  stopTracking() {
    this.tracking = false
  }

  /**
   * @param {string} type
   * @param {'create' | 'destroy'} [operation]
   */
  trackObject(type, operation = 'create') {
    args.string('type', type)
    if (operation !== 'create' && operation !== 'destroy') {
      throw args.outOfRange('operation', "'create' or 'destroy'", operation)
    }
    if (!this.tracking) return
    const count = (this.objectCounts.get(type) ?? 0) + (operation === 'create' ? 1 : -1)
    this.objectCounts.set(type, Math.max(0, count))
  }

  /**
   * @template {object} T
   * @param {T} object
   * @param {string} type
   * @returns {T}
   */
  track(object, type) {
    if (Object(object) !== object) throw args.invalidType('object', 'an object', object)
    this.trackObject(type)
    if (this.tracking) this.#live.register(object, type)
    return object
  }

  /** @returns {FinalizationRegistry<string>} */
  #registry() {
    const registry = new FinalizationRegistry((/** @type {string} */ type) => {
      if (registry !== this.#live) return
      this.objectCounts.set(type, Math.max(0, (this.objectCounts.get(type) ?? 0) - 1))
    })
    return registry
  }

  /** @returns {Record<string, number>} */
  getObjectCounts() {
    return Object.fromEntries(this.objectCounts)
  }

  /** @param {number} [threshold] */
  findLeakingObjects(threshold = 1000) {
    args.number('threshold', threshold, 0, Number.POSITIVE_INFINITY)
    return Array.from(this.objectCounts, ([type, count]) => ({ type, count })).filter(
      ({ count }) => count > threshold,
    )
  }
}

module.exports = { ObjectLeakDetector }
