// @ts-check
'use strict'

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
    const done = () => signal.removeEventListener('abort', abort)
    promise.finally(done).then(resolve, reject)
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
  })
}

module.exports = { abortable }
