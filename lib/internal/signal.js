// @ts-check
'use strict'

/**
 * Who waits for a signal. It has one listener for them all, since Node warns of more than ten.
 *
 * @type {WeakMap<AbortSignal, { callbacks: Set<() => void>, fire: () => void }>}
 */
const waiting = new WeakMap()

/**
 * Calls back when the signal fires.
 *
 * @param {AbortSignal} signal
 * @param {() => void} callback not given to the same signal twice
 * @returns {() => void} stops waiting
 */
function onAbort(signal, callback) {
  const { callbacks, fire } = waiting.get(signal) ?? listen(signal)
  callbacks.add(callback)
  return () => {
    if (!callbacks.delete(callback) || callbacks.size > 0) return
    waiting.delete(signal)
    signal.removeEventListener('abort', fire)
  }
}

/** @param {AbortSignal} signal */
function listen(signal) {
  /** @type {Set<() => void>} */
  const callbacks = new Set()
  const fire = () => {
    for (const callback of callbacks) callback()
  }
  const entry = { callbacks, fire }
  waiting.set(signal, entry)
  signal.addEventListener('abort', fire, { once: true })
  return entry
}

/**
 * The promise, or the signal's reason if that comes first. The work behind the promise goes on: others may
 * wait for it too.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
function abortable(promise, signal) {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    const stop = signal.aborted ? abort : onAbort(signal, abort)
    if (signal.aborted) abort()
    promise.finally(stop).then(resolve, reject)
  })
}

module.exports = { abortable, onAbort }
