// @ts-check
'use strict'

// The promises of all native work. Each has a number, its ticket; native code reports by ticket, and one
// wake-up settles all that is ready.

const native = require('./native.js')
const { toError } = require('./errors.js')
const { onAbort } = require('./signal.js')

/**
 * @typedef {object} Resolvers
 * @property {(value: any) => void} resolve
 * @property {(reason: unknown) => void} reject
 * @property {((event: any) => void) | undefined} [onEvent] called with news on the way
 */

// The kinds of message, as native code numbers them.
const RESOLVE = 0
const EVENT = 2

/** @type {Map<number, Resolvers>} */
const pending = new Map()
/** Tickets whose work waits for JavaScript. They do not hold the event loop: who is to go on with them may be gone. @type {Set<number>} */
const resting = new Set()
let lastTicket = 0
let held = false

const settler = new native.Settler(drain)

function drain() {
  const messages = settler.drain()
  for (let index = 0; index < messages.length; index += 3) {
    deliver(messages[index], messages[index + 1], messages[index + 2])
  }
  // Let timers and I/O have their turn first.
  if (settler.more) setImmediate(drain)
}

/**
 * @param {number} ticket
 * @param {number} kind
 * @param {any} value
 */
function deliver(ticket, kind, value) {
  if (kind === EVENT) return hear(ticket, value)
  const resolvers = take(ticket)
  if (kind === RESOLVE) resolvers?.resolve(value)
  else resolvers?.reject(toError(value))
}

/**
 * A listener that throws ends the work, and its error is the work's.
 *
 * @param {number} ticket
 * @param {any} event
 */
function hear(ticket, event) {
  try {
    pending.get(ticket)?.onEvent?.(event)
  } catch (error) {
    settler.cancel(ticket)
    take(ticket)?.reject(error)
  }
}

/**
 * A promise for native work.
 *
 * @template T
 * @param {(ticket: number) => void} start hands the ticket to native code
 * @param {object} [options]
 * @param {AbortSignal} [options.signal]
 * @param {(ticket: number) => void} [options.cancel] tells native code that the signal fired; the promise then
 *   settles when the work has stopped, with the signal's reason
 * @param {(event: any) => void} [options.onEvent] called with news on the way
 * @returns {Promise<T>}
 */
function promised(start, { signal, cancel = (ticket) => settler.cancel(ticket), onEvent } = {}) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const ticket = open({ resolve, reject, onEvent })
    if (signal) cancelOnAbort(signal, ticket, cancel)
    try {
      start(ticket)
    } catch (error) {
      take(ticket)
      reject(error)
    }
  })
}

/**
 * @param {AbortSignal} signal
 * @param {number} ticket
 * @param {(ticket: number) => void} cancel
 */
function cancelOnAbort(signal, ticket, cancel) {
  const resolvers = /** @type {Resolvers} */ (pending.get(ticket))
  const stop = onAbort(signal, () => cancel(ticket))
  pending.set(ticket, {
    ...resolvers,
    resolve(value) {
      stop()
      resolvers.resolve(value)
    },
    reject(reason) {
      stop()
      resolvers.reject(signal.aborted ? signal.reason : reason)
    },
  })
}

/** @param {Resolvers} resolvers */
function open(resolvers) {
  do lastTicket = (lastTicket + 1) >>> 0
  while (pending.has(lastTicket))
  pending.set(lastTicket, resolvers)
  hold()
  return lastTicket
}

/**
 * Takes the resolvers of a ticket, which is then closed.
 *
 * @param {number} ticket
 */
function take(ticket) {
  const resolvers = pending.get(ticket)
  pending.delete(ticket)
  resting.delete(ticket)
  hold()
  return resolvers
}

/**
 * Whether the work of a ticket waits for JavaScript to ask for more.
 *
 * @param {number} ticket
 * @param {boolean} waits
 */
function rest(ticket, waits) {
  if (waits && pending.has(ticket)) resting.add(ticket)
  else resting.delete(ticket)
  hold()
}

/** Holds the event loop while there is work that goes on by itself. */
function hold() {
  const needed = pending.size > resting.size
  if (needed === held) return
  held = needed
  settler.hold(held)
}

module.exports = { settler, promised, open, take, rest }
