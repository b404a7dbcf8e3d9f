// @ts-check
'use strict'

/**
 * A method in the place of another, on one object.
 *
 * @typedef {object} Wrapper
 * @property {Function} method
 * @property {Set<any>} observers
 * @property {() => void} restore
 */

/** By the method that was put there. @type {WeakMap<Function, Wrapper>} */
const wrappers = new WeakMap()

/**
 * Has one more observer watch a method of an object. There is one wrapper for them all, so that they may go in any order; it
 * goes with the last of them.
 *
 * @template O
 * @param {any} object
 * @param {string} name
 * @param {(original: Function, observers: Set<O>) => Function} wrap makes the method that tells the observers of its calls
 * @param {O} observer
 * @returns {() => void} ends it; the original is back after the last one, unless somebody else has replaced the method since
 */
function watchMethod(object, name, wrap, observer) {
  const { method, observers, restore } = wrappers.get(object[name]) ?? replace(object, name, wrap)
  observers.add(observer)
  return () => {
    observers.delete(observer)
    if (observers.size === 0 && object[name] === method) restore()
  }
}

/**
 * @param {any} object
 * @param {string} name
 * @param {(original: Function, observers: Set<any>) => Function} wrap
 * @returns {Wrapper}
 */
function replace(object, name, wrap) {
  const own = Object.getOwnPropertyDescriptor(object, name)
  const observers = new Set()
  const method = wrap(object[name], observers)
  const restore = () => {
    if (own) Object.defineProperty(object, name, own)
    else delete object[name]
  }
  const wrapper = { method, observers, restore }
  wrappers.set(method, wrapper)
  Object.defineProperty(object, name, { value: method, writable: true, configurable: true })
  return wrapper
}

module.exports = { watchMethod }
