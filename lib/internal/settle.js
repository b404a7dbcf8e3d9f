// @ts-check
'use strict'

// The promises of all native work. Each has a number, its ticket; native code reports by ticket, and one
// wake-up settles all that is ready.

const native = require('./native.js')
const { toError } = require('./errors.js')

/** @typedef {{ resolve: (value: any) => void, reject: (reason: unknown) => void }} Resolvers */

/** @type {Map<number, Resolvers>} */
const pending = new Map()
let lastTicket = 0

const settler = new native.Settler(drain)

function drain() {
  const results = settler.drain()
  for (let index = 0; index < results.length; index += 3) {
    const resolvers = take(results[index])
    if (!resolvers) continue
    if (results[index + 1]) resolvers.resolve(results[index + 2])
    else resolvers.reject(toError(results[index + 2]))
  }
  // More may be ready: let timers and I/O have their turn first.
  if (results.length === 3 * settler.slice) setImmediate(drain)
}

/**
 * A promise for native work.
 *
 * @template T
 * @param {(ticket: number) => void} start hands the ticket to native code
 * @param {{ signal?: AbortSignal, cancel?: (ticket: number) => void }} [options] `cancel` tells native code
 *   that the signal fired; the promise then settles when the work has stopped, with the signal's reason
 * @returns {Promise<T>}
 */
function promised(start, { signal, cancel = (ticket) => settler.cancel(ticket) } = {}) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const ticket = open({ resolve, reject })
    if (signal) onAbort(signal, ticket, cancel)
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
function onAbort(signal, ticket, cancel) {
  const resolvers = /** @type {Resolvers} */ (pending.get(ticket))
  const abort = () => cancel(ticket)
  signal.addEventListener('abort', abort, { once: true })
  pending.set(ticket, {
    resolve(value) {
      signal.removeEventListener('abort', abort)
      resolvers.resolve(value)
    },
    reject(reason) {
      signal.removeEventListener('abort', abort)
      resolvers.reject(signal.aborted ? signal.reason : reason)
    },
  })
}

/** @param {Resolvers} resolvers */
function open(resolvers) {
  do lastTicket = (lastTicket + 1) >>> 0
  while (pending.has(lastTicket))
  pending.set(lastTicket, resolvers)
  if (pending.size === 1) settler.hold(true)
  return lastTicket
}

/**
 * Takes the resolvers of a ticket, which is then closed.
 *
 * @param {number} ticket
 */
function take(ticket) {
  const resolvers = pending.get(ticket)
  if (pending.delete(ticket) && pending.size === 0) settler.hold(false)
  return resolvers
}

module.exports = { settler, promised, open, take }
