// @ts-check
'use strict'

const { homedir } = require('node:os')
const { join } = require('node:path')

/** Where the commands keep the answers of GitHub. */
function defaultCacheDir() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'aiwf-native')
}

module.exports = { defaultCacheDir }
