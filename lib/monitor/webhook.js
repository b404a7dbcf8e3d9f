// @ts-check
'use strict'

const args = require('../internal/arguments.js')

/** @import * as types from '../monitor.js' */

/** Requests at once. */
const MOST_IN_FLIGHT = 4
/** Alerts that wait for their turn; what is more is given up at once. */
const MOST_WAITING = 1000

/** Headers that are the request's own. */
const OWN_HEADERS = [
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]

/** An address that alerts are posted to. No error shows it, nor a header: they may hold a secret. */
class Webhook {
  #url
  #timeout
  #headers
  #inFlight = 0
  /** @type {(() => void)[]} */
  #waiting = []

  /** @param {types.WebhookOptions} options */
  constructor(options) {
    const { url, timeout = 5000, headers } = args.object('options.webhook', options)
    this.#url = checkedUrl(url)
    this.#timeout = args.integer('options.webhook.timeout', timeout, 1, 2 ** 31 - 1)
    this.#headers = checkedHeaders(headers)
  }

  /**
   * @param {types.Alert} alert
   * @returns {Promise<Error | undefined>} why it was not taken
   */
  async post(alert) {
    try {
      const body = JSON.stringify(alert)
      // From now on: one that does not answer must not have the others wait for it one after the other.
      const signal = AbortSignal.timeout(this.#timeout)
      return await this.#inTurn(() => this.#send(body, signal))
    } catch (error) {
      return /** @type {Error} */ (error)
    }
  }

  /**
   * @template T
   * @param {() => Promise<T>} send
   */
  async #inTurn(send) {
    if (this.#inFlight < MOST_IN_FLIGHT) this.#inFlight++
    else if (this.#waiting.length < MOST_WAITING) {
      await new Promise((resolve) => this.#waiting.push(() => resolve(undefined)))
    } else throw busy()
    try {
      return await send()
    } finally {
      // One that waits takes over the place.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#inFlight--
    }
  }

  /**
   * @param {string} body
   * @param {AbortSignal} signal
   */
  async #send(body, signal) {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: this.#headers,
      body,
      signal,
      redirect: 'error',
    })
    await response.body?.cancel()
    return response.ok ? undefined : new Error(`HTTP ${response.status}`)
  }
}

function busy() {
  const error = new Error(
    `${MOST_WAITING} alerts wait for the webhook already; with a longer repeatAfter there are fewer`,
  )
  return Object.assign(error, { code: 'ERR_AIWF_WEBHOOK_BUSY' })
}

/** @param {unknown} given */
function checkedUrl(given) {
  const name = 'options.webhook.url'
  const url = URL.canParse(String(given)) ? new URL(String(given)) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw args.invalidValue(name, 'must be an http or https URL', typeof given)
  }
  if (url.username || url.password) {
    const reason = 'must be without user and password, which options.webhook.headers can hold'
    throw args.invalidValue(name, reason, typeof given)
  }
  return url.href
}

/** @param {types.WebhookOptions['headers']} given */
function checkedHeaders(given) {
  const name = 'options.webhook.headers'
  const headers = parsedHeaders(given)
  if (!headers) throw args.invalidValue(name, 'must be valid HTTP headers', typeof given)
  const own = OWN_HEADERS.find((header) => headers.has(header))
  if (own) throw args.invalidValue(name, 'must leave this one to the request', own)
  if (!headers.has('content-type')) headers.set('content-type', 'application/json')
  return headers
}

/** @param {types.WebhookOptions['headers']} given */
function parsedHeaders(given) {
  try {
    return new Headers(given)
  } catch {
    return undefined
  }
}

module.exports = { Webhook }
