'use strict'

const { loadConfig } = require('./configuration/config.js')
const { features } = require('./configuration/features.js')

module.exports = { loadConfig, features }
