// @ts-check
'use strict'

const path = require('node:path')
const native = require('../internal/native.js')
const { settler } = require('../internal/settle.js')
const { DiskReads } = require('./disk-reads.js')
const { DiskTier } = require('./disk-tier.js')
const { entryPolicy } = require('./entry-policy.js')
const { MemoryTier } = require('./memory-tier.js')
const { toJSON } = require('./to-json.js')

/** @import * as types from '../cache-system.js' */
/** @import { CacheRules, StoredEntry } from '../../binding.js' */
/** @import { Read } from './disk-reads.js' */
/** @import { Held } from './memory-tier.js' */

/** What a value that has no JSON counts for in memory, in bytes. */
const SIZE_WITHOUT_JSON = 1024
const FOREVER = Number.POSITIVE_INFINITY

/** Memory over disk: where a value is looked for, and where it is stored. */
class Tiers {
  #native
  #memory
  #bounds
  #learns
  #reads = new DiskReads()

  /**
   * @param {string} cacheDir
   * @param {number} ttl milliseconds, writable
   * @param {CacheRules} rules
   * @param {() => void} onUnused told of every prefetched value that leaves unused
   */
  constructor(cacheDir, ttl, rules, onUnused) {
    this.ttl = ttl
    this.#native = new native.NativeCache(settler, path.resolve(cacheDir), rules)
    this.#memory = new MemoryTier(this.#native, onUnused)
    this.#bounds = { maxEntries: rules.maxEntries, maxMemoryBytes: rules.maxMemoryBytes }
    this.#learns = rules.adaptiveTtl !== undefined
    this.disk = new DiskTier(this.#native)
    this.memoryView = this.#memory.view((key, { data, timestamp, ttl }) => {
      this.#hold(key, data, timestamp, ttl)
    })
  }

  get memorySize() {
    return this.#memory.size
  }

  get memoryFill() {
    return this.#native.fill
  }

  get memoryBounds() {
    return this.#bounds
  }

  /** @param {{ maxEntries?: number, maxMemoryBytes?: number }} bounds */
  resizeMemory(bounds) {
    const { maxEntries, maxMemoryBytes } = Object.assign(this.#bounds, bounds)
    this.#memory.resize(maxEntries, maxMemoryBytes)
  }

  /**
   * A fresh value in memory, without its key.
   *
   * @param {string} url
   * @param {object | undefined} headers
   */
  find(url, headers) {
    return this.#memory.find(url, headers, Date.now(), this.ttl)
  }

  /**
   * A fresh value in memory.
   *
   * @param {string} key
   */
  findByKey(key) {
    return this.#memory.findByKey(key, Date.now(), this.ttl, 0)
  }

  /**
   * A value that is fresh, or stale for less than `grace` ms.
   *
   * @param {Request} request
   * @param {number} grace
   * @returns {Promise<Found | undefined>}
   */
  async lookUp(request, grace) {
    // What others may have renewed on disk is not looked for: of a stale one a fetch is under way anyhow.
    return this.#inMemory(request.key, grace) ?? this.#read(request, grace)
  }

  /**
   * The entry as it was stored, expired or not.
   *
   * @param {Request} request
   */
  async known(request) {
    return (await this.lookUp(request, FOREVER))?.held
  }

  /**
   * A fresh value on disk, whatever is in memory. It moves there, unless what is there was stored later.
   *
   * @param {string} key
   * @returns {Promise<Found | undefined>}
   */
  async onDisk(key) {
    const found = await this.#read({ key }, 0)
    if (found?.fromDisk) return found
    const stored = await this.disk.load(key, Date.now(), this.ttl, 0)
    return stored ? { held: held(stored), fresh: true, fromDisk: true } : undefined
  }

  /**
   * @param {Request} request
   * @param {unknown} data
   * @param {types.SetOptions & { prefetched?: boolean }} options
   */
  async store(request, data, { prefetched = false, ...options }) {
    const { key } = request
    // What is stored now is known at once; only what a 304 renews is looked up before.
    if (options.response?.status === 304) await this.known(request)
    const policy = entryPolicy(this.#native, options, () => this.#policy(key))
    if (policy === undefined) {
      await this.delete(key)
      return
    }
    const { validator, mustRevalidate = false } = policy
    const value = { data, validator, mustRevalidate, prefetched }
    this.#reads.outdate(key)
    const timestamp = Date.now()
    const text = toJSON(data)
    if (text === undefined) {
      const slots = this.#native.hold(key, timestamp, policy.ttl, SIZE_WITHOUT_JSON)
      this.#memory.take(slots, value, request)
      console.warn('The cache keeps a value in memory only: JSON cannot express it')
      // What an earlier value left there must not come back.
      await this.disk.remove(key)
    } else {
      await this.disk.save(key, text, timestamp, policy, this.ttl, (slots) =>
        this.#memory.take(slots, value, request),
      )
    }
  }

  /** @param {string} key */
  async delete(key) {
    this.#reads.outdate(key)
    const held = this.#memory.delete(key)
    const removed = await this.disk.remove(key)
    return held || removed?.entries === 1
  }

  /** Removes what has expired. */
  async cleanup() {
    const [now, ttl] = [Date.now(), this.ttl]
    const inMemory = this.#memory.removeExpired(now, ttl, 0)
    const onDisk = await this.disk.removeExpired(now, ttl)
    return { inMemory, onDisk: onDisk?.entries ?? 0, freedBytes: onDisk?.bytes ?? 0 }
  }

  /**
   * Removes what has been expired for `grace` ms, without waiting.
   *
   * @param {number} grace
   */
  sweep(grace) {
    const [now, ttl] = [Date.now(), this.ttl]
    this.#memory.removeExpired(now, ttl, grace)
    this.#native.sweep(now, ttl, grace)
  }

  async clear() {
    this.#reads.outdateAll()
    this.#memory.clear()
    await this.disk.clear()
  }

  /**
   * @param {string} key
   * @param {number} grace
   * @returns {Found | undefined}
   */
  #inMemory(key, grace) {
    const fresh = this.findByKey(key)
    if (fresh) return { held: fresh, fresh: true, fromDisk: false }
    const stale = grace > 0 && this.#memory.findByKey(key, Date.now(), this.ttl, grace)
    return stale ? { held: stale, fresh: false, fromDisk: false } : undefined
  }

  /**
   * Reads an entry from the disk into memory, once for all who ask for it at the time.
   *
   * @param {Request} request
   * @param {number} grace
   */
  #read(request, grace) {
    const { key } = request
    const reading = this.#reads.find(key, grace)
    if (reading) return reading
    const promoted = this.#native.promoteAtOnce(key, Date.now(), this.ttl, grace)
    if (promoted === null) return undefined
    if (promoted !== undefined) return this.#take(request, promoted, promoted.slots)
    return this.#reads.start(key, grace, (read) => this.#load(request, grace, read))
  }

  /**
   * @param {Request} request
   * @param {number} grace
   * @param {Read} read
   * @returns {Promise<Found | undefined>}
   */
  async #load(request, grace, read) {
    const { key } = request
    const stored = await this.disk.load(key, Date.now(), this.ttl, grace)
    if (read.outdated) return this.lookUp(request, grace)
    if (stored === null) return undefined
    const { text, timestamp, ttl, learnt } = stored
    const slots = this.#native.promote(key, timestamp, ttl, text.length, learnt)
    // What is in memory was stored later.
    return slots === null ? this.#inMemory(key, grace) : this.#take(request, stored, slots)
  }

  /**
   * @param {Request} request
   * @param {Stored} stored
   * @param {number[]} slots
   * @returns {Found}
   */
  #take(request, stored, slots) {
    const value = this.#memory.take(slots, held(stored), request)
    return { held: value, fresh: stored.fresh, fromDisk: true }
  }

  /**
   * @param {string} key
   * @param {unknown} data
   * @param {number} timestamp
   * @param {number | undefined} ttl
   */
  #hold(key, data, timestamp, ttl) {
    this.#reads.outdate(key)
    const size = toJSON(data)?.length ?? SIZE_WITHOUT_JSON
    const slots = this.#native.hold(key, timestamp, ttl, size)
    this.#memory.take(slots, { data, mustRevalidate: false, prefetched: false }, { key })
  }

  /**
   * How an entry in memory is stored. A time that was learnt is none of its own.
   *
   * @param {string} key
   */
  #policy(key) {
    const policy = this.#memory.policy(key)
    return policy && this.#learns ? { ...policy, ttl: undefined } : policy
  }
}

/** @typedef {Pick<StoredEntry, 'text' | 'fresh' | 'mustRevalidate' | 'validator'>} Stored */

/**
 * A value as it is held in memory, of an entry on disk.
 *
 * @param {Stored} stored
 * @returns {Held}
 */
function held({ text, mustRevalidate, validator }) {
  return { data: JSON.parse(text), validator, mustRevalidate, prefetched: false }
}

/** @typedef {{ held: Held, fresh: boolean, fromDisk: boolean }} Found */

/**
 * What is asked for. `url` and `headers` are there if the memory tier may find it by them: not where a subclass makes
 * its own keys, which decides itself which requests are the same.
 *
 * @typedef {{ key: string, url?: any, headers?: object }} Request
 */

module.exports = { Tiers }
