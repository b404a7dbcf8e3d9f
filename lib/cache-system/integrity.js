// @ts-check
'use strict'

const { createHash } = require('node:crypto')
const { WholeResponse } = require('./whole-response.js')

const ALGORITHMS = ['sha512', 'sha384', 'sha256']

/**
 * The response, once its body is known to be the one that was asked for (W3C, Subresource Integrity): of the strongest
 * algorithm that is named, one digest has to be its.
 *
 * @param {Response} response
 * @param {string} integrity
 */
async function verified(response, integrity) {
  const digests = [...integrity.matchAll(/(sha256|sha384|sha512)-([\w+/-]+={0,2})/g)]
  const algorithm = ALGORITHMS.find((name) => digests.some(([, named]) => named === name))
  const bytes = Buffer.from(await response.arrayBuffer())
  if (algorithm) {
    const digest = createHash(algorithm).update(bytes).digest()
    const allowed = digests.filter(([, named]) => named === algorithm)
    if (!allowed.some(([, , text]) => digest.equals(Buffer.from(text, 'base64')))) {
      const error = new TypeError(`The body of ${withoutSecrets(response.url)} has another digest`)
      throw Object.assign(error, { code: 'ERR_AIWF_INTEGRITY' })
    }
  }
  const { status, statusText, url, redirected } = response
  const headers = [...response.headers].flat()
  return new WholeResponse({ status, statusText, headers, url, redirected }, bytes)
}

/** @param {string} url */
function withoutSecrets(url) {
  return url.split('?')[0]
}

module.exports = { verified }
