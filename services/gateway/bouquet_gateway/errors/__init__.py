"""Errors of the public contract: conversion of reasons, such as `token_expired`, to HTTP errors, and the list of all
errors."""
