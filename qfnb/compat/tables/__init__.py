"""Tables as the official SDK has them: any columns, packed or grouped rows, and operations that
change the table.
"""
