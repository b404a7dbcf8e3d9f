// @ts-check
'use strict'

const { SingleFlight } = require('./single-flight.js')

/** @import * as types from '../cache-system.js' */
/** @import { Flight } from './single-flight.js' */
/** @import { Found, Request, Tiers } from './tiers.js' */

/**
 * Fetches what the tiers have not: once for all who ask at the time, in the background where a stale value may be served
 * meanwhile, and before it is asked for.
 */
class ReadThrough {
  #tiers
  #windows
  #learns
  #onLookUp
  /** Requests under way; those that the cache answered have a note of it. */
  #flights = /** @type {InstanceType<typeof SingleFlight<Found>>} */ (new SingleFlight())
  /** Keys that are being fetched in the background. @type {Set<string>} */
  #refreshes = new Set()
  /** Prefetches under way, by key; they do not reject. @type {Map<string, Promise<boolean>>} */
  #prefetches = new Map()

  /**
   * @param {InstanceType<typeof Tiers>} tiers
   * @param {object} windows
   * @param {number} windows.staleWhileRevalidate milliseconds
   * @param {number} windows.staleIfError milliseconds
   * @param {boolean} learns whether the tiers learn from what is stored again
   * @param {(found: Found | undefined) => void} onLookUp told for every caller what the tiers had
   */
  constructor(tiers, windows, learns, onLookUp) {
    this.#tiers = tiers
    this.#windows = windows
    this.#learns = learns
    this.#onLookUp = onLookUp
  }

  get pending() {
    return this.#flights.pending
  }

  /**
   * Waits with all others who ask for the same, first for the disk and then for one call of `fetchFunction`.
   *
   * @param {Request} request
   * @param {(context: types.FetchContext) => any} fetchFunction
   * @param {types.GetOrFetchOptions} options
   */
  async get(request, fetchFunction, options) {
    const fetch = (/** @type {AbortSignal} */ signal) =>
      this.#fetch(request, fetchFunction, options, signal)
    const start = (/** @type {Flight<Found>} */ flight) =>
      this.#lookUpOrFetch(request, fetch, flight)
    const flight = this.#flights.enter(request.key, start)
    try {
      return await this.#flights.wait(request.key, flight, options.signal)
    } finally {
      this.#onLookUp(flight.note)
    }
  }

  /**
   * Brings an entry into memory before it is asked for; whether it had to be fetched, and was.
   *
   * @param {Request} request
   * @param {(context: types.PrefetchContext) => unknown} fetch
   */
  async prefetch(request, fetch) {
    const { key } = request
    const busy = this.pending.has(key) || this.#prefetches.has(key)
    if (busy || (await this.#tiers.lookUp(request, 0))) return false
    const work = async () => {
      /** @type {types.SetOptions} */
      const options = {}
      const data = await fetch({ options })
      if (data === undefined) return false
      await this.#tiers.store(request, data, { ...options, prefetched: true })
      return true
    }
    const done = work().finally(() => this.#prefetches.delete(key))
    // Who asks for it meanwhile waits for it, but its failure is not his.
    const settled = done.catch(() => false)
    this.#prefetches.set(key, settled)
    return done
  }

  /**
   * @param {Request} request
   * @param {(signal: AbortSignal) => Promise<any>} fetch
   * @param {Flight<Found>} flight
   */
  async #lookUpOrFetch(request, fetch, flight) {
    await this.#prefetches.get(request.key)
    const found = await this.#servable(request, this.#windows.staleWhileRevalidate)
    // All may have left meanwhile.
    flight.controller.signal.throwIfAborted()
    if (!found) return this.#unlessDown(fetch, request, flight.controller.signal)
    flight.note = found
    if (!found.fresh) this.#refresh(request.key, fetch)
    return found.held.data
  }

  /**
   * A value that is fresh, or stale for less than `grace` ms where its response has not forbidden that.
   *
   * @param {Request} request
   * @param {number} grace
   */
  async #servable(request, grace) {
    const found = await this.#tiers.lookUp(request, grace)
    return found && (found.fresh || !found.held.mustRevalidate) ? found : undefined
  }

  /**
   * @param {Request} request
   * @param {(context: types.FetchContext) => any} fetchFunction
   * @param {types.SetOptions} given
   * @param {AbortSignal} signal
   */
  async #fetch(request, fetchFunction, given, signal) {
    const { ttl, validator, response } = given
    const options = { ttl, validator, response }
    const stale = async () => {
      const known = await this.#tiers.known(request)
      return known && { data: known.data, validator: known.validator }
    }
    // What was learnt of its content is kept beside the last one.
    if (this.#learns) await stale()
    const data = await fetchFunction({ signal, options, stale })
    // Nobody waits any more, and somebody may have stored a newer one.
    if (!signal.aborted) await this.#tiers.store(request, data, options)
    return data
  }

  /**
   * What `fetch` resolves to. When it fails, a value that is not stale for too long.
   *
   * @param {(signal: AbortSignal) => Promise<any>} fetch
   * @param {Request} request
   * @param {AbortSignal} signal
   */
  async #unlessDown(fetch, request, signal) {
    const { staleIfError } = this.#windows
    try {
      return await fetch(signal)
    } catch (error) {
      const stale = staleIfError > 0 && (await this.#servable(request, staleIfError))
      if (!stale) throw error
      return stale.held.data
    }
  }

  /**
   * Fetches in the background. A failure is not told: the stale value serves on until its time is up, and the
   * next failure then reaches the caller.
   *
   * @param {string} key
   * @param {(signal: AbortSignal) => Promise<any>} fetch
   */
  async #refresh(key, fetch) {
    if (this.#refreshes.has(key)) return
    this.#refreshes.add(key)
    try {
      await fetch(new AbortController().signal)
    } catch {
    } finally {
      this.#refreshes.delete(key)
    }
  }
}

module.exports = { ReadThrough }
