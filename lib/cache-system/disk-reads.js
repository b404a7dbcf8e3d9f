// @ts-check
'use strict'

/** @import { Found } from './tiers.js' */

/**
 * @typedef {object} Read
 * @property {number} grace
 * @property {boolean} outdated whether its entry was stored or removed since it began
 * @property {Promise<Found | undefined>} promise
 */

/** Reads of the disk under way: one for all who ask for the same at the time, until that changes. */
class DiskReads {
  /** @type {Map<string, Set<Read>>} */
  #byKey = new Map()

  /**
   * The read under way, if there is one.
   *
   * @param {string} key
   * @param {number} grace
   */
  find(key, grace) {
    for (const read of this.#byKey.get(key) ?? []) if (read.grace === grace) return read.promise
  }

  /**
   * @param {string} key
   * @param {number} grace
   * @param {(read: Read) => Promise<Found | undefined>} load
   */
  start(key, grace, load) {
    const reads = this.#byKey.get(key) ?? new Set()
    /** @type {Read} */
    const read = { grace, outdated: false, promise: Promise.resolve(undefined) }
    this.#byKey.set(key, reads.add(read))
    read.promise = load(read).finally(() => {
      reads.delete(read)
      if (reads.size === 0 && this.#byKey.get(key) === reads) this.#byKey.delete(key)
    })
    return read.promise
  }

  /**
   * An entry was stored or removed: what is being read of it is outdated, and who asks from now on reads anew.
   *
   * @param {string} key
   */
  outdate(key) {
    for (const read of this.#byKey.get(key) ?? []) read.outdated = true
    this.#byKey.delete(key)
  }

  outdateAll() {
    for (const key of this.#byKey.keys()) this.outdate(key)
  }
}

module.exports = { DiskReads }
