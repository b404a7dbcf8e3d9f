// @ts-check
'use strict'

/** The native addon. @type {typeof import('../../binding.js')} */
// @ts-expect-error the platform's own binary
module.exports = require('../../aiwf-native.linux-x64-gnu.node')
