"""All SQL of the gas bank, by table: gas accounts, transactions, the ledger, settlement, checks.

Locks are always taken in one order: the account, its gas account, then transactions.
"""
