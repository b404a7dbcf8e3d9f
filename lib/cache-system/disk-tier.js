// @ts-check
'use strict'

const path = require('node:path')
const { traced } = require('../internal/errors.js')
const { promised, settler } = require('../internal/settle.js')

/** @import { DiskExtent, EntryPolicy, NativeCache, StoredEntry } from '../../binding.js' */

/**
 * The entries on disk. A disk that fails is reported once, on `console.warn`; the cache then does without.
 */
class DiskTier {
  #native
  #warned = false

  /** @param {NativeCache} native */
  constructor(native) {
    this.#native = native
  }

  /** @param {string} folder */
  useFolder(folder) {
    this.#warned = false
    this.#native.useFolder(settler, path.resolve(folder))
  }

  async init() {
    try {
      await promised((ticket) => this.#native.init(ticket))
    } catch (error) {
      this.#warn('The cache works in memory only', error)
    }
  }

  /**
   * An entry that is fresh, or stale for less than `grace` ms.
   *
   * @param {string} key
   * @param {number} now
   * @param {number} ttl
   * @param {number} grace
   * @returns {Promise<StoredEntry | null>}
   */
  load(key, now, ttl, grace) {
    return promised((ticket) => this.#native.load(ticket, key, now, ttl, grace))
  }

  /**
   * Writes an entry, and files it in memory at once: `filed` is told its slot, and those that are free.
   *
   * @param {string} key
   * @param {string} text JSON
   * @param {number} now
   * @param {EntryPolicy} policy
   * @param {number} ttl
   * @param {(slots: number[]) => void} filed
   */
  save(key, text, now, policy, ttl, filed) {
    return this.#work((ticket) => filed(this.#native.save(ticket, key, text, now, policy, ttl)))
  }

  /** @param {string} key */
  remove(key) {
    return this.#work((ticket) => this.#native.remove(ticket, key))
  }

  /**
   * @param {number} now
   * @param {number} ttl
   */
  removeExpired(now, ttl) {
    return this.#work((ticket) => this.#native.removeExpired(ticket, now, ttl))
  }

  clear() {
    return this.#work((ticket) => this.#native.removeAll(ticket))
  }

  /** @returns {Promise<DiskExtent>} */
  verify() {
    return traced(promised((ticket) => this.#native.verify(ticket)))
  }

  /** @returns {Promise<DiskExtent>} */
  extent() {
    return traced(promised((ticket) => this.#native.extent(ticket)))
  }

  /**
   * Work that the cache can do without.
   *
   * @param {(ticket: number) => void} start
   */
  async #work(start) {
    try {
      return /** @type {DiskExtent | null} */ (await promised(start))
    } catch (error) {
      this.#warn('The disk cache failed', error)
      return null
    }
  }

  /**
   * @param {string} what
   * @param {unknown} error
   */
  #warn(what, error) {
    if (this.#warned) return
    this.#warned = true
    console.warn(`${what}: ${error instanceof Error ? error.message : error}`)
  }
}

module.exports = { DiskTier }
