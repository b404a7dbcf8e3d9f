// @ts-check
'use strict'

const { homedir } = require('node:os')
const { isAbsolute, join } = require('node:path')

/**
 * Where the commands keep the answers of GitHub.
 *
 * @param {string} [given] by the user; nothing stands for the usual folder
 */
function cacheDirOf(given) {
  if (given) return given
  const { XDG_CACHE_HOME = '' } = process.env
  // A relative one is to be ignored: specifications.freedesktop.org/basedir-spec.
  const folder = isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(home(), '.cache')
  return join(folder, 'aiwf-native')
}

function home() {
  const folder = homeOfUser()
  if (!folder) throw new Error('there is no home folder for the cache; name one with --cache-dir')
  return folder
}

/** Fails for a user whom the system does not know, as in a container. */
function homeOfUser() {
  try {
    return homedir()
  } catch {
    return undefined
  }
}

module.exports = { cacheDirOf }
