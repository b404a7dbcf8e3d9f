// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { traced } = require('../internal/errors.js')
const { promised, rest, settler } = require('../internal/settle.js')
const { onAbort } = require('../internal/signal.js')
const { verified } = require('./integrity.js')
const { WholeResponse, streaming } = require('./whole-response.js')

/** @import * as types from '../cache-system.js' */
/** @import { DiskExtent, NativeAsk, NativeFetcherOptions, NativeHead, NativeLimited, NativeText } from '../../binding.js' */

/** Methods whose case does not count. */
const NORMALIZED = /^(delete|get|head|options|post|put)$/i
/** What is checked here; the platform checks all else. */
const CHECKED = new Set([
  'body',
  'cache',
  'duplex',
  'headers',
  'integrity',
  'method',
  'redirect',
  'signal',
])
const REDIRECT = ['follow', 'error', 'manual']
const CACHE = ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached']

/**
 * What the client has to say about its requests.
 *
 * @typedef {object} Client
 * @property {number | undefined} timeout milliseconds
 * @property {(url: string) => Record<string, string>} headers of a request that has none of the name
 * @property {(limited: NativeLimited) => void} onLimited
 * @property {() => boolean} isHeard whether anybody wants to know of responses
 * @property {(ask: NativeAsk, status: number, cache: types.CacheOutcome, began: number) => void} onResponse
 */

/** @typedef {{ resolve: (response: Response) => void, reject: (reason: unknown) => void }} Caller */

/**
 * Requests over the native HTTP cache, as the Fetch standard has them and as text. What is asked, stored and served is
 * decided natively.
 */
class HttpFetch {
  #native
  #client
  #offline

  /**
   * @param {NativeFetcherOptions} options
   * @param {Client} client
   */
  constructor(options, client) {
    this.#native = new native.NativeFetcher(settler, options)
    this.#client = client
    this.#offline = options.offline === 'force'
  }

  /**
   * @param {string | URL | Request} input
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   */
  async fetch(input, init) {
    const { ask, signal, integrity } = await this.#read(input, init ?? undefined)
    signal?.throwIfAborted()
    const began = performance.now()
    const head = ask.cache === undefined ? this.#atOnce(ask) : undefined
    const response = head?.body
      ? new WholeResponse(head, head.body)
      : await traced(this.#send(ask, signal))
    if (this.#client.isHeard()) {
      this.#client.onResponse(ask, response.status, served(response), began)
    }
    return integrity ? verified(response, integrity) : response
  }

  /**
   * The text of a successful answer. Without the network `null` if that is needed.
   *
   * @param {NativeAsk} ask
   * @param {{ signal?: AbortSignal, network: boolean }} options
   * @returns {Promise<NativeText | null>}
   */
  async text(ask, { signal, network }) {
    const start = (/** @type {number} */ ticket) => this.#native.fetchText(ticket, ask, network)
    const onEvent = (/** @type {NativeLimited} */ limited) => this.#client.onLimited(limited)
    const began = performance.now()
    /** @type {NativeText | null} */
    const answer = await traced(promised(start, { signal, onEvent }))
    if (answer?.cache && ask.cache === undefined) {
      this.#client.onResponse(ask, answer.status, answer.cache, began)
    }
    return answer
  }

  /**
   * The text of a successful answer that needs no waiting.
   *
   * @param {NativeAsk} ask
   */
  textAtOnce(ask) {
    const began = performance.now()
    const head = this.#atOnce(ask)
    if (!head?.body || head.status < 200 || head.status >= 300) return undefined
    this.#client.onResponse(ask, head.status, 'hit', began)
    return head.body.toString()
  }

  /** Forgets all stored responses. @returns {Promise<void>} */
  clear() {
    return traced(promised((ticket) => this.#native.clear(ticket)))
  }

  /** What is stored on disk. @returns {Promise<DiskExtent>} */
  extent() {
    return traced(promised((ticket) => this.#native.extent(ticket)))
  }

  /** Removes what is damaged on disk. @returns {Promise<DiskExtent>} */
  verify() {
    return traced(promised((ticket) => this.#native.verify(ticket)))
  }

  /** Asks for the raw files of a download. */
  get native() {
    return this.#native
  }

  /** What is known of GitHub's limits, once it was asked. */
  limits() {
    const limits = this.#native.limits()
    if (!limits) return undefined
    const { budgets, ...rest } = limits
    const byResource = budgets.map(({ resource, ...budget }) => [resource, budget])
    return { resources: Object.fromEntries(byResource), ...rest }
  }

  /** @param {NativeAsk} ask */
  #atOnce({ method, url, headers }) {
    if (method !== 'GET' || this.#offline) return undefined
    return this.#native.atOnce(url, headers) ?? undefined
  }

  /**
   * @param {string | URL | Request} input
   * @param {RequestInit} [init]
   * @returns {Promise<{ ask: NativeAsk, signal: AbortSignal | undefined, integrity: string | undefined }>}
   */
  async #read(input, init = {}) {
    const given = isPlain(input, init) ? undefined : new Request(input, init)
    const url = given?.url ?? String(input)
    const headers = given?.headers ?? (init.headers && new Headers(init.headers))
    /** @type {string[]} */
    const flat = []
    headers?.forEach((value, name) => void flat.push(name, value))
    for (const [name, value] of Object.entries(this.#client.headers(url))) {
      if (!headers?.has(name)) flat.push(name, value)
    }
    const { method, cache, redirect, integrity } = given ?? init
    const signal = (given ?? init).signal ?? undefined
    const ask = {
      method: method === undefined ? 'GET' : normalized(String(method)),
      url,
      headers: flat,
      body: given?.body ? await whole(given.body, signal) : undefined,
      cache: cache === 'default' ? undefined : cache,
      redirect,
      timeout: this.#client.timeout,
    }
    return { ask, signal, integrity }
  }

  /**
   * Resolves with the head; the body follows as it is read.
   *
   * @param {NativeAsk} ask
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<Response>}
   */
  #send(ask, signal) {
    return new Promise((resolve, reject) => this.#receive(ask, signal, { resolve, reject }))
  }

  /**
   * @param {NativeAsk} ask
   * @param {AbortSignal | undefined} signal
   * @param {Caller | undefined} caller until the head is there: its promise holds the response, and so the body
   */
  #receive(ask, signal, caller) {
    /** @type {WeakRef<Body> | undefined} */
    let body
    let ticket = 0
    const onEvent = (/** @type {NativeHead | NativeLimited | Buffer} */ event) => {
      if (event instanceof Uint8Array) return body?.deref()?.push(event)
      if ('kind' in event) return this.#client.onLimited(event)
      if (event.body) {
        const bytes = ask.method === 'HEAD' ? undefined : event.body
        caller?.resolve(new WholeResponse(event, bytes))
      } else {
        const arriving = new Body(this.#native, ticket)
        body = new WeakRef(arriving)
        caller?.resolve(streaming(event, arriving.stream))
      }
      caller = undefined
    }
    const start = (/** @type {number} */ opened) => {
      ticket = opened
      this.#native.fetch(ticket, ask)
    }
    promised(start, { signal, onEvent }).then(
      () => body?.deref()?.end(),
      (error) => {
        caller?.reject(error)
        body?.deref()?.fail(error)
      },
    )
  }
}

/**
 * Whether nothing is asked for that only the platform's own `Request` knows. What is wrong throws, as there.
 *
 * @param {string | URL | Request} input
 * @param {RequestInit} init
 */
function isPlain(input, init) {
  if (input instanceof Request || init.body != null) return false
  const { cache, redirect, method, signal } = init
  if (cache !== undefined && !CACHE.includes(cache)) {
    throw args.invalidValue('init.cache', `must be one of: ${CACHE.join(', ')}`, cache)
  }
  if (redirect !== undefined && !REDIRECT.includes(redirect)) {
    throw args.invalidValue('init.redirect', `must be one of: ${REDIRECT.join(', ')}`, redirect)
  }
  if (signal != null) args.instance('init.signal', signal, AbortSignal)
  if (/^(connect|trace|track)$/i.test(String(method))) {
    throw args.invalidValue('init.method', 'must be one that may be asked with', method)
  }
  return Object.keys(init).every((key) => CHECKED.has(key))
}

/** @param {string} method */
function normalized(method) {
  return NORMALIZED.test(method) ? method.toUpperCase() : method
}

/** @param {Response} response */
function served(response) {
  return /** @type {types.CacheOutcome} */ (response.headers.get('x-aiwf-cache'))
}

/**
 * All of a body that is to be sent.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {AbortSignal | undefined} signal
 */
async function whole(body, signal) {
  const reader = body.getReader()
  const stop = signal && onAbort(signal, () => void reader.cancel(signal.reason))
  const pieces = []
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    pieces.push(Buffer.from(read.value))
  }
  stop?.()
  signal?.throwIfAborted()
  return Buffer.concat(pieces)
}

/**
 * Bodies whose next piece is waited for. Perhaps nothing else holds those who wait; what holds a body with a piece that
 * nobody has read is its reader.
 *
 * @type {Set<Body>}
 */
const awaited = new Set()

/** Ends the requests of bodies that nobody can read any more. @type {FinalizationRegistry<number>} */
const abandoned = new FinalizationRegistry((ticket) => settler.cancel(ticket))

/** A body on its way. What is not read yet holds back the rest, and does not hold the process. */
class Body {
  #native
  #ticket
  #unread = 0
  /** @type {import('node:stream/web').ReadableByteStreamController | undefined} */
  #controller
  #done = false

  /**
   * @param {import('../../binding.js').NativeFetcher} native
   * @param {number} ticket
   */
  constructor(native, ticket) {
    this.#native = native
    this.#ticket = ticket
    abandoned.register(this, ticket, this)
    rest(ticket, true)
    /** @type {ReadableStream<Uint8Array>} */
    this.stream = new ReadableStream({
      type: 'bytes',
      start: (controller) => {
        this.#controller = controller
      },
      pull: () => {
        this.#await(true)
        if (this.#unread > 0) this.#native.grant(this.#ticket, this.#unread)
        this.#unread = 0
      },
      cancel: () => {
        if (!this.#done) settler.cancel(this.#ticket)
        this.#finish()
      },
    })
  }

  /** @param {Uint8Array} piece */
  push(piece) {
    if (this.#done) return
    this.#unread += piece.length
    // Whoever waits for one more is noted by `pull`.
    this.#await(false)
    // The stream takes the memory for its own, which that of a `Buffer` can't be.
    this.#controller?.enqueue(new Uint8Array(piece))
  }

  end() {
    if (!this.#done) this.#controller?.close()
    // Who reads into memory of his own gets it back.
    this.#controller?.byobRequest?.respond(0)
    this.#finish()
  }

  /** @param {unknown} error */
  fail(error) {
    if (!this.#done) this.#controller?.error(error)
    this.#finish()
  }

  /** @param {boolean} wanted whether the next piece is waited for */
  #await(wanted) {
    if (this.#done) return
    if (wanted) awaited.add(this)
    else awaited.delete(this)
    rest(this.#ticket, !wanted)
  }

  #finish() {
    this.#done = true
    awaited.delete(this)
    abandoned.unregister(this)
  }
}

module.exports = { HttpFetch }
