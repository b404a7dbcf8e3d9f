// @ts-check
'use strict'

const constructors = { Error, TypeError, RangeError }

/**
 * Builds the error that native code described.
 *
 * @param {{ class: 'Error' | 'TypeError' | 'RangeError', message: string, details: object }} description
 */
function toError(description) {
  return Object.assign(
    new constructors[description.class](description.message),
    description.details,
  )
}

/**
 * Awaits native work and gives its error the stack of the caller, who awaits us: an error that arrives from
 * another thread has none.
 *
 * @template T
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
async function traced(promise) {
  try {
    return await promise
  } catch (error) {
    if (error instanceof Error) Error.captureStackTrace(error, traced)
    throw error
  }
}

module.exports = { toError, traced }
