// @ts-check
'use strict'

// Which of our binaries this process needs, by the names the build gives them.

const { closeSync, openSync, readSync } = require('node:fs')

/** @typedef {{ platform: string, arch: string, libc?: 'glibc' | 'musl' }} Host */

/** The platforms with a package of their own. */
const platforms = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
]

/** What binaries on Linux and Windows are linked against, as their names have it. */
const abis = { glibc: '-gnu', musl: '-musl' }

/** @param {Host} host */
function platformName({ platform, arch, libc }) {
  const abi = platform === 'win32' ? '-msvc' : libc ? abis[libc] : ''
  return `${platform}-${arch}${abi}`
}

/** @returns {Host} the host of this process */
function currentHost() {
  const { platform, arch } = process
  return platform === 'linux' ? { platform, arch, libc: currentLibc() } : { platform, arch }
}

/**
 * The C library that Node itself is linked against: the head of its executable names the dynamic linker.
 * A process report would tell as well, at seven times the price.
 */
function currentLibc() {
  const head = Buffer.alloc(4096)
  try {
    const file = openSync(process.execPath, 'r')
    try {
      readSync(file, head, 0, head.length, 0)
    } finally {
      closeSync(file)
    }
  } catch {
    // Without an executable to read, the usual one.
  }
  return head.includes('/ld-musl-') ? 'musl' : 'glibc'
}

module.exports = { platforms, platformName, currentHost }
