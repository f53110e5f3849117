"""Errors of the public contract: conversion of a reason, such as `token_expired`, into an HTTP error, and the list of
all errors."""
