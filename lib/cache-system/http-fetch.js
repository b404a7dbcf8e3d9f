// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { traced } = require('../internal/errors.js')
const { promised, settler } = require('../internal/settle.js')

/** @import { NativeAsk, NativeHead } from '../../binding.js' */

/** Statuses whose responses have no body; `Response` takes none. */
const WITHOUT_BODY = new Set([204, 205, 304])
/** Methods whose case does not count. */
const NORMALIZED = /^(delete|get|head|options|post|put)$/i

/**
 * The global `fetch`, over the native HTTP cache. This half speaks the Fetch standard; what is asked, stored and
 * served is decided natively.
 */
class HttpFetch {
  #native
  #offline
  #retries
  /** @type {(url: string) => Record<string, string>} */
  #defaults

  /**
   * @param {string} folder absolute
   * @param {{ maxMemoryBytes: number, maxDiskBytes: number, retries: number, offline?: string }} options
   * @param {(url: string) => Record<string, string>} defaults headers of a request that has none of the name
   */
  constructor(folder, { maxMemoryBytes, maxDiskBytes, retries, offline }, defaults) {
    this.#native = new native.NativeFetcher(settler, folder, maxMemoryBytes, maxDiskBytes)
    this.#offline = offline
    this.#retries = retries
    this.#defaults = defaults
  }

  /**
   * @param {string | URL | Request} input
   * @param {RequestInit} [init]
   * @returns {Promise<Response>}
   */
  async fetch(input, init) {
    const { ask, signal } = await this.#read(input, init)
    signal?.throwIfAborted()
    const plain = ask.method === 'GET' && ask.cache === undefined && ask.offline !== 'force'
    const head = plain ? this.#native.atOnce(ask.url, ask.headers) : undefined
    return head ? respond(head, head.body ?? null) : traced(this.#send(ask, signal))
  }

  /**
   * @param {string | URL | Request} input
   * @param {RequestInit} [init]
   * @returns {Promise<{ ask: NativeAsk, signal: AbortSignal | undefined }>}
   */
  async #read(input, init = {}) {
    // What the standard says of bodies and of requests is the platform's to know.
    const given =
      input instanceof Request || init.body != null ? new Request(input, init) : undefined
    const url = given?.url ?? String(input)
    const headers = given?.headers ?? (init.headers && new Headers(init.headers))
    /** @type {string[]} */
    const flat = []
    headers?.forEach((value, name) => void flat.push(name, value))
    for (const [name, value] of Object.entries(this.#defaults(url))) {
      if (!headers?.has(name)) flat.push(name, value)
    }
    const { method = 'GET', cache, redirect, signal } = given ?? init
    const ask = {
      method: NORMALIZED.test(method) ? method.toUpperCase() : method,
      url,
      headers: flat,
      body: given?.body ? Buffer.from(await given.arrayBuffer()) : undefined,
      cache: cache === 'default' ? undefined : cache,
      redirect,
      offline: this.#offline,
      retries: this.#retries,
    }
    return { ask, signal: signal ?? undefined }
  }

  /**
   * Resolves with the head; the body follows as it is read.
   *
   * @param {NativeAsk} ask
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<Response>}
   */
  #send(ask, signal) {
    return new Promise((resolve, reject) => {
      const body = new Body(this.#native)
      const onEvent = (/** @type {NativeHead | Buffer} */ event) => {
        if (event instanceof Uint8Array) return body.push(event)
        const whole = event.body != null || WITHOUT_BODY.has(event.status)
        resolve(respond(event, whole ? (event.body ?? null) : body.stream))
      }
      const start = (/** @type {number} */ ticket) => {
        body.ticket = ticket
        this.#native.fetch(ticket, ask)
      }
      promised(start, { signal, onEvent }).then(
        () => body.end(),
        (error) => {
          reject(error)
          body.fail(error)
        },
      )
    })
  }
}

/** A body on its way. What is not read yet holds back the rest. */
class Body {
  ticket = 0
  #native
  #unread = 0
  /** @type {ReadableStreamDefaultController<Uint8Array> | undefined} */
  #controller
  #done = false

  /** @param {import('../../binding.js').NativeFetcher} native */
  constructor(native) {
    this.#native = native
    /** @type {ReadableStream<Uint8Array>} */
    this.stream = new ReadableStream({
      start: (controller) => {
        this.#controller = controller
      },
      pull: () => {
        if (this.#unread > 0) this.#native.grant(this.ticket, this.#unread)
        this.#unread = 0
      },
      cancel: () => {
        if (!this.#done) settler.cancel(this.ticket)
        this.#done = true
      },
    })
  }

  /** @param {Uint8Array} piece */
  push(piece) {
    if (this.#done) return
    this.#unread += piece.length
    this.#controller?.enqueue(piece)
  }

  end() {
    if (!this.#done) this.#controller?.close()
    this.#done = true
  }

  /** @param {unknown} error */
  fail(error) {
    if (!this.#done) this.#controller?.error(error)
    this.#done = true
  }
}

/**
 * @param {NativeHead} head
 * @param {Uint8Array | ReadableStream<Uint8Array> | null} body
 */
function respond({ status, statusText, headers, url, redirected }, body) {
  const pairs = []
  for (let index = 0; index < headers.length; index += 2) {
    pairs.push(/** @type {[string, string]} */ ([headers[index], headers[index + 1]]))
  }
  const content = WITHOUT_BODY.has(status) ? null : /** @type {BodyInit | null} */ (body)
  const response = new Response(content, { status, statusText, headers: pairs })
  return Object.defineProperties(response, {
    url: { value: url },
    redirected: { value: redirected },
  })
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function offlineMode(name, value) {
  const modes = ['never', 'auto', 'force']
  if (modes.includes(/** @type {string} */ (value))) return /** @type {string} */ (value)
  throw args.invalidValue(name, `must be one of: ${modes.join(', ')}`, value)
}

module.exports = { HttpFetch, offlineMode }
